//! A client's change over what was there: what it does not mention stays.

/// Sets the fields of `$row` that `$change` mentions.
macro_rules! put_over {
    ($row:ident, $change:expr, $($field:ident),+ $(,)?) => {$(
        if let Some(value) = &$change.$field {
            $row.$field = value.clone();
        }
    )+};
}

pub(crate) use put_over;
