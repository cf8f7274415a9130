//! Lessons, labs and lectures: format, checks, grading, and the course as data.
