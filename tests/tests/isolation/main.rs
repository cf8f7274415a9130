//! Isolation as checked properties. Each file has a small world of two to four processes, an alphabet of calls with
//! arguments, and properties that must hold in every state that some sequence of these calls reaches, up to a bound
//! on its length. Every sequence is tried, breadth first; of one that breaks a property the calls are printed.
//!
//! A property that cannot fail says nothing. So each file also shows that what is interesting is reached at all, and
//! that the property does fail where a part of the wall is left out.

mod bounded;
mod capabilities;
mod cgroup_charges;
mod mount_propagation;
mod pid_namespace;
