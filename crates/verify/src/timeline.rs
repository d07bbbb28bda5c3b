//! One self-contained HTML picture of a violation. To come.
