//! How a play ended.

use std::fmt;

/// How a play ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise was kept.
    Kept,
    /// The core panicked.
    Crashed {
        /// What it said.
        message: String,
    },
    /// With all faults gone, something did not come to its end.
    Stuck {
        /// What, and why no reason justifies it.
        what: Vec<String>,
    },
    /// A promise was broken.
    Wrong {
        /// Which, and how.
        broken: Vec<String>,
    },
}

impl Verdict {
    /// The exit code that says so: 127 crashed, 128 stuck, 129 wrong.
    pub fn exit_code(&self) -> i32 {
        match self {
            Verdict::Kept => 0,
            Verdict::Crashed { .. } => 127,
            Verdict::Stuck { .. } => 128,
            Verdict::Wrong { .. } => 129,
        }
    }

    /// Whether every promise was kept.
    pub fn is_kept(&self) -> bool {
        *self == Verdict::Kept
    }

    /// What tells one failure from another: its kind, and the name of what failed.
    pub fn signature(&self) -> String {
        let name = |lines: &[String]| {
            let first = lines.first().map_or("", String::as_str);
            first.split(':').next().unwrap_or_default().to_owned()
        };
        match self {
            Verdict::Kept => "kept".into(),
            Verdict::Crashed { message } => {
                format!("crashed {}", message.lines().next().unwrap_or_default())
            }
            Verdict::Stuck { what } => format!("stuck {}", name(what)),
            Verdict::Wrong { broken } => format!("wrong {}", name(broken)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, title: &str, lines: &[String]| {
            write!(f, "{title}")?;
            lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
        };
        match self {
            Verdict::Kept => f.write_str("every promise was kept"),
            Verdict::Crashed { message } => write!(f, "CRASHED: {message}"),
            Verdict::Stuck { what } => list(f, "STUCK:", what),
            Verdict::Wrong { broken } => list(f, "WRONG:", broken),
        }
    }
}
