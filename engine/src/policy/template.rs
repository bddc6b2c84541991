//! Messages with placeholders, checked when the policy is read.

use crate::units::of_one;

/// A message such as `You've used {percent} of today's quota.`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

macro_rules! fields {
    ($($variant:ident $name:ident $doc:literal),* $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Field { $($variant),* }

        /// What the placeholders of a message stand for, as text.
        #[derive(Debug, Clone, Default)]
        pub struct Facts { $(#[doc = $doc] pub $name: String),* }

        const NAMES: &[&str] = &[$(stringify!($name)),*];

        impl Field {
            fn from_name(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$variant),)* _ => None }
            }

            fn of(self, facts: &Facts) -> &str {
                match self { $(Self::$variant => &facts.$name),* }
            }

            const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name)),* }
            }
        }
    };
}

fields! {
    Used used "What is used and held, with this call if it goes on.",
    Limit limit "100 % of the budget.",
    Remaining remaining "What is left.",
    Needed needed "What this call is expected to need.",
    Percent percent "`90%`.",
    Unit unit "` tokens`, ` requests`, or nothing for money, which carries its own sign.",
    Period period "`today's `, or `your ` for a bucket.",
    ResetsAt resets_at "`at midnight PST`.",
    ResetsIn resets_in "`4 hours`.",
    Rule rule "The budget's name.",
    Model model "The model asked for.",
    UpgradeUrl upgrade_url "Where more can be bought.",
}

impl Template {
    /// Reads a message. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// A placeholder is unknown or a brace stands alone; says which are known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            parts.push(Part::Text(before.to_owned()));
            rest = if let Some(tail) = from.strip_prefix("{{") {
                parts.push(Part::Text("{".to_owned()));
                tail
            } else if let Some(tail) = from.strip_prefix("}}") {
                parts.push(Part::Text("}".to_owned()));
                tail
            } else {
                let (field, tail) = placeholder(from)?;
                parts.push(Part::Field(field));
                tail
            };
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// Whether it says this.
    #[must_use]
    pub fn says(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Field(field) if field.name() == name))
    }

    /// Whether it says when the quota resets.
    #[must_use]
    pub fn says_when(&self) -> bool {
        self.says("resets_at") || self.says("resets_in")
    }

    /// The first placeholder that is none of these.
    pub(super) fn other_than(&self, names: &[&str]) -> Option<&'static str> {
        self.0.iter().find_map(|part| match part {
            Part::Field(field) => Some(field.name()).filter(|name| !names.contains(name)),
            Part::Text(_) => None,
        })
    }

    /// The message with its placeholders filled. A unit goes with the amount before it: `1 token`.
    #[must_use]
    pub fn fill(&self, facts: &Facts) -> String {
        let (mut filled, mut amount) = (String::new(), "");
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Field(Field::Unit) if amount == "1" => filled.push_str(&of_one(&facts.unit)),
                Part::Field(field) => {
                    let text = field.of(facts);
                    if matches!(field, Field::Used | Field::Limit | Field::Remaining | Field::Needed) {
                        amount = text;
                    }
                    filled.push_str(text);
                }
            }
        }
        filled
    }
}

fn placeholder(from: &str) -> Result<(Field, &str), String> {
    let inner = from.strip_prefix('{').ok_or("a `}` stands alone; write `}}` for a brace")?;
    let (name, tail) = inner.split_once('}').ok_or("a `{` is not closed; write `{{` for a brace")?;
    let known = || format!("unknown placeholder `{{{name}}}`; known are {{{}}}", NAMES.join("}, {"));
    // The design's first draft of the language said `{reset_at}`; both read well.
    let name = if name == "reset_at" { "resets_at" } else { name };
    Ok((Field::from_name(name).ok_or_else(known)?, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_goes_with_the_amount_before_it() {
        let template = Template::parse("{used} of {limit}{unit}, {remaining}{unit}, {needed}{unit}").unwrap();
        let text = |texts: [&str; 4], unit: &str| {
            let [used, limit, remaining, needed] = texts.map(str::to_owned);
            template.fill(&Facts {
                used,
                limit,
                remaining,
                needed,
                unit: unit.to_owned(),
                ..Facts::default()
            })
        };
        assert_eq!(text(["1", "11", "0", "1"], " tokens"), "1 of 11 tokens, 0 tokens, 1 token");
        let running = " requests in flight";
        let said = "1 of 1 request in flight, 2 requests in flight, 1 request in flight";
        assert_eq!(text(["1", "1", "2", "1"], running), said);
        assert_eq!(text(["$1.00", "$1.00", "$0.00", "$1.00"], ""), "$1.00 of $1.00, $0.00, $1.00");
    }
}
