//! The figures, their limits and what becomes of them.

/// One figure of a row.
pub struct Figure {
    pub row: &'static str,
    pub what: String,
    pub unit: &'static str,
    pub value: f64,
    pub must: f64,
    pub moonshot: f64,
    /// More is better.
    pub more: bool,
    /// What the figure comes from, or is measured against.
    pub beside: String,
}

impl Figure {
    /// A figure that must not be larger.
    pub fn at_most(row: &'static str, what: impl Into<String>, unit: &'static str, value: f64) -> Self {
        let (what, beside) = (what.into(), String::new());
        Self { row, what, unit, value, must: f64::INFINITY, moonshot: f64::INFINITY, more: false, beside }
    }

    pub fn at_least(row: &'static str, what: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { more: true, ..Self::at_most(row, what, unit, value) }
    }

    pub fn limits(self, must: f64, moonshot: f64) -> Self {
        Self { must, moonshot, ..self }
    }

    pub fn beside(self, beside: impl Into<String>) -> Self {
        Self { beside: beside.into(), ..self }
    }

    fn reaches(&self, limit: f64) -> bool {
        if self.more { self.value >= limit } else { self.value <= limit }
    }

    fn verdict(&self) -> &'static str {
        if self.moonshot.is_finite() && self.reaches(self.moonshot) {
            "moonshot"
        } else if !self.must.is_finite() {
            "-"
        } else if self.reaches(self.must) {
            "must"
        } else {
            "MISSED"
        }
    }

    fn limit(&self, limit: f64) -> String {
        if !limit.is_finite() {
            "-".into()
        } else {
            format!("{}{}", ["≤ ", "≥ "][usize::from(self.more)], plain(limit))
        }
    }

    /// A line of a Markdown table.
    pub fn line(&self) -> String {
        let Self { row, what, unit, beside, .. } = self;
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let (value, must, moonshot) = (plain(self.value), self.limit(self.must), self.limit(self.moonshot));
        format!("| {row} | {what} | {value}{unit} | {must} | {moonshot} | {} | {beside} |", self.verdict())
    }
}

pub const HEAD: &str = "| row | what | result | must | moonshot | verdict | from, or beside |\n\
                        |---|---|---|---|---|---|---|";

/// Three significant digits.
fn plain(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size => (2 - size.log10().floor() as i32).clamp(0, 4) as usize,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
