//! Who asks what and when. Pure data; the policy that it meets is policies/demo.json.

/// The policy, as it stands in the repository.
pub(super) const POLICY: &str = include_str!("../../../policies/demo.json");

/// One call.
#[derive(Clone)]
pub(super) struct Step {
    /// Minutes after midnight of the first day, Pacific time.
    pub(super) minute: u32,
    pub(super) who: &'static str,
    pub(super) plan: &'static str,
    pub(super) task: &'static str,
    pub(super) prompt: &'static str,
    pub(super) model: &'static str,
    /// How long the simulated model's answer is.
    pub(super) answer_tokens: u32,
    /// Read the answer as it is written, and leave after that many tokens.
    pub(super) leaves_after: Option<u32>,
    /// Needs no jump to the next day.
    pub(super) today: bool,
}

impl Step {
    /// What is about to happen.
    pub(super) fn says(&self, with_time: bool) -> String {
        let time = if with_time { format!("{}  ", clock(self.minute)) } else { String::new() };
        format!("{time}{} ({} plan): {}", self.who, self.plan, self.task)
    }
}

/// `Mon 09:05`.
pub(super) fn clock(minute: u32) -> String {
    let day = if minute < 24 * 60 { "Mon" } else { "Tue" };
    format!("{day} {:02}:{:02}", minute / 60 % 24, minute % 60)
}

const fn at(hour: u32, minute: u32) -> u32 {
    hour * 60 + minute
}

/// The day, in order.
pub(super) fn day() -> Vec<Step> {
    let ana = Step {
        minute: at(9, 5),
        who: "Ana",
        plan: "free",
        task: "summarise a meeting",
        prompt: "Summarise the notes of this morning's planning meeting in plain words, with the decisions first.",
        model: "gpt-4o",
        answer_tokens: 2_150,
        leaves_after: None,
        today: true,
    };
    let ben = Step {
        minute: at(9, 30),
        who: "Ben",
        plan: "pro",
        task: "draft the quarterly report",
        prompt: "Draft the quarterly report from these figures: revenue up four percent, costs flat, churn down.",
        answer_tokens: 9_400,
        ..ana.clone()
    };
    let chloe = Step {
        minute: at(11, 20),
        who: "Chloe",
        task: "a long essay, but she closes the tab",
        prompt: "Write a long essay about the history of the turnstile.",
        answer_tokens: 3_000,
        leaves_after: Some(180),
        ..ben.clone()
    };
    let ana_again =
        Step { minute: at(10, 40), task: "rewrite it for the team", answer_tokens: 1_900, ..ana.clone() };
    vec![
        ana.clone(),
        ben.clone(),
        ana_again,
        chloe,
        Step { minute: at(13, 15), task: "a better title for it", answer_tokens: 420, ..ana.clone() },
        Step {
            minute: at(14, 0),
            task: "the long version of the report",
            answer_tokens: 10_200,
            ..ben.clone()
        },
        Step { minute: at(15, 30), task: "translate it", answer_tokens: 900, ..ana.clone() },
        Step { minute: at(16, 45), task: "an appendix to the report", answer_tokens: 2_600, ..ben },
        Step {
            minute: at(24, 5),
            task: "translate it, after midnight",
            answer_tokens: 900,
            today: false,
            ..ana
        },
    ]
}
