//! Lessons, labs and lectures: format, checks, grading, and the course as data; and sessions as links.

pub mod permalink;
