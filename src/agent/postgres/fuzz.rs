//! What the fuzz target `postgres` calls: any text in place of what a server, its databases and the
//! host's user list say.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::rows::Labels;
use super::seen::Seen;
use super::settings::Names;
use super::version::Version;
use super::{custom, local};
use crate::agent::exposition::{Exposition, Kind, escape, union};
use crate::api::agent_config::{PostgresQuery, ValueKind};

/// Ends one text in the bytes of the target; it stands in no UTF-8.
const END: u8 = 0xff;

/// What is told of a server that says these texts: version, user list, two parameters with unit
/// and type, a query's name, column and label, and a row's labels.
pub fn told(bytes: &[u8]) -> String {
    let mut texts = bytes
        .split(|byte| *byte == END)
        .map(String::from_utf8_lossy);
    let mut next = || texts.next().unwrap_or_default();
    let mut out = Exposition::default();
    banner(&mut out, &next());
    std::hint::black_box(local::named(&next(), "0"));
    let mut names = Names::default();
    for _ in 0..2 {
        let columns = [next(), next(), next(), next()];
        names.write(&mut out, columns.each_ref().map(|it| &**it), "");
    }
    query(&mut out, [next(), next(), next()], [next(), next()]);
    out.gauge("pg_up", "Up.").labelled("", 1.0);
    let said = BTreeMap::from([("rights".to_owned(), next().into_owned())]);
    let seen = Seen::of(&out, &said, None, 1.0);
    std::hint::black_box(Seen::of(&out, &said, seen.as_ref(), 0.0));
    union([&out])
}

fn banner(out: &mut Exposition, text: &str) {
    let Some(version) = Version::parse(text) else {
        return;
    };
    let mut labels = format!("{{short_version=\"{}\",version=\"", version.short());
    escape(&mut labels, text);
    labels.push_str("\"}");
    let mut family = out.family("pg_static", "Version.", Kind::Untyped);
    family.labelled(&labels, 1.0);
}

/// A query of a user, if it may be asked, with one row of two databases.
fn query(out: &mut Exposition, [name, column, label]: [Cow<'_, str>; 3], rows: [Cow<'_, str>; 2]) {
    let query = PostgresQuery {
        name: name.into_owned(),
        sql: "select 1".to_owned(),
        labels: vec![label.into_owned()],
        values: BTreeMap::from([(column.into_owned(), ValueKind::Gauge)]),
        ..PostgresQuery::default()
    };
    let list = [query];
    let [query] = &list;
    if !custom::problems(&list).is_empty() {
        return;
    }
    let mut labels = Labels::default();
    for (row, database) in rows.into_iter().zip(["a", "b"]) {
        let fixed = format!("datname=\"{database}\"");
        let names = query.labels.iter().map(String::as_str);
        labels.row(&fixed, names.map(|name| (name, row.clone())));
    }
    for column in query.values.keys() {
        let family = custom::family(query, column);
        let mut family = out.gauge(&family, "Of a user.");
        labels
            .iter()
            .for_each(|labels| family.labelled(labels, 1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_arrive_in_what_is_told() {
        let texts: [&[u8]; 16] = [
            b"16.2",
            b"root:x:0:0::/:/",
            b"work_mem",
            b"4096",
            b"kB",
            b"integer",
            b"jit",
            b"on",
            b"",
            b"bool",
            b"shop",
            b"total",
            b"status",
            b"new \"\n",
            b"old",
            b"",
        ];
        let told = told(&texts.join(&END));
        for line in [
            "pg_static{short_version=\"16.2.0\",version=\"16.2\"} 1\n",
            "pg_settings_work_mem_bytes 4.194304e+06\n",
            "pg_settings_jit 1\n",
            "shop_total{datname=\"a\",status=\"new \\\"\\n\"} 1\n",
        ] {
            assert!(told.contains(line), "{line}{told}");
        }
        assert_eq!(crate::agent::fuzz::exposition(&told), Ok(()));
    }
}
