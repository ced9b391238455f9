//! Expressions: what the PromQL parser takes, less what the oldest Prometheus would refuse.

use std::time::{Duration, SystemTime};

use promql_parser::{
    label::{MatchOp, Matchers},
    parser::{self, AtModifier, Expr, Offset, VectorSelector, token, value::ValueType},
};

use super::{functions, length, literals, pattern, remedy};

/// From 1970, either way: 285 years, far less than what overflows.
const FURTHEST: Duration = Duration::from_hours(2_500_000);

/// What is wrong with a rule's expression.
pub fn problem(expr: &str) -> Option<String> {
    check(expr).err()
}

fn check(expr: &str) -> Result<(), String> {
    let parsed = parser::parse(&literals::normalise(expr)?);
    let parsed = parsed.map_err(|message| remedy::explain(expr, &message))?;
    walk(&parsed)?;
    match parsed.value_type() {
        ValueType::Vector | ValueType::Scalar => Ok(()),
        ValueType::Matrix => Err(
            "the value is a range vector, a rule needs an instant one: wrap it, such as in rate(…)"
                .into(),
        ),
        ValueType::String => Err("the value is a string, a rule needs an instant vector".into()),
    }
}

/// Looks at every part of the expression; without recursion, however deep it is.
fn walk(expr: &Expr) -> Result<(), String> {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Aggregate(aggregate) => {
                let op = aggregate.op.id();
                if op == token::T_LIMITK || op == token::T_LIMIT_RATIO {
                    return Err(format!(
                        "{} is behind a feature flag of Prometheus: rules cannot use it",
                        aggregate.op
                    ));
                }
                open.push(&aggregate.expr);
                open.extend(aggregate.param.as_deref());
            }
            Expr::Unary(unary) => open.push(&unary.expr),
            Expr::Binary(binary) => {
                let fill = binary
                    .modifier
                    .as_ref()
                    .map(|modifier| &modifier.fill_values);
                if fill.is_some_and(|fill| fill.lhs.is_some() || fill.rhs.is_some()) {
                    return Err("fill is behind a feature flag of Prometheus: use or".into());
                }
                open.push(&binary.lhs);
                open.push(&binary.rhs);
            }
            Expr::Paren(paren) => open.push(&paren.expr),
            Expr::Subquery(subquery) => {
                range(subquery.range)?;
                subquery.step.map_or(Ok(()), range)?;
                modifiers(subquery.offset.as_ref(), subquery.at.as_ref())?;
                open.push(&subquery.expr);
            }
            Expr::VectorSelector(selector) => vector(selector)?,
            Expr::MatrixSelector(matrix) => {
                range(matrix.range)?;
                vector(&matrix.vs)?;
            }
            Expr::Call(call) => {
                if let Some(message) = functions::promql_problem(call.func.name) {
                    return Err(message);
                }
                open.extend(call.args.args.iter().map(|arg| &**arg));
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => {}
            Expr::Extension(_) => return Err("not PromQL".into()),
        }
    }
    Ok(())
}

fn vector(selector: &VectorSelector) -> Result<(), String> {
    matchers(&selector.matchers)?;
    modifiers(selector.offset.as_ref(), selector.at.as_ref())
}

fn matchers(given: &Matchers) -> Result<(), String> {
    if !given.or_matchers.is_empty() {
        return Err("Prometheus has no or between the matchers of a selector".into());
    }
    for matcher in &given.matchers {
        let is_pattern = matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_));
        if let Some(message) = pattern::problem(&matcher.value).filter(|_| is_pattern) {
            return Err(format!("the pattern {:?}: {message}", matcher.value));
        }
    }
    Ok(())
}

fn modifiers(offset: Option<&Offset>, at: Option<&AtModifier>) -> Result<(), String> {
    if let Some(Offset::Pos(length) | Offset::Neg(length)) = offset {
        bounded(*length)?;
    }
    let Some(AtModifier::At(time)) = at else {
        return Ok(());
    };
    let distance = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_else(|before| before.duration());
    if distance > FURTHEST {
        return Err("the time after @ is out of bounds".into());
    }
    Ok(())
}

/// What stands in brackets.
fn range(length: Duration) -> Result<(), String> {
    if length < Duration::from_millis(1) {
        return Err("a range is zero: write such as 5m".into());
    }
    bounded(length)
}

fn bounded(length: Duration) -> Result<(), String> {
    if length > Duration::from_millis(length::LONGEST_MILLIS) {
        return Err("a duration is too long: less than 292 years".into());
    }
    Ok(())
}
