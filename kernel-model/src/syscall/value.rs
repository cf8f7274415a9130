//! What goes into a system call and what comes out: one plain value type for programs, for the
//! system-call console, for strace logs and for the trace.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Sysno;
use crate::errno::Errno;

/// One argument or one output of a system call.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub enum Value {
    /// `NULL`, or an output that is not there yet.
    #[default]
    Null,
    /// A number: descriptor, pid, flags, length.
    Int(i64),
    /// A C string: a path, a name.
    Str(Arc<str>),
    /// A buffer.
    Bytes(Arc<[u8]>),
    /// An array, such as `argv`.
    List(Vec<Value>),
    /// A structure: fields in the order of its C declaration.
    Struct(Vec<(Cow<'static, str>, Value)>),
}

impl Value {
    /// A C string.
    pub fn str(s: impl Into<Arc<str>>) -> Value {
        Value::Str(s.into())
    }

    /// A buffer.
    pub fn bytes(b: impl Into<Arc<[u8]>>) -> Value {
        Value::Bytes(b.into())
    }

    /// An array of C strings.
    pub fn strings<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Value {
        Value::List(items.into_iter().map(|s| Value::str(s.as_ref())).collect())
    }

    /// A structure.
    pub fn record<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
        Value::Struct(fields.into_iter().map(|(n, v)| (Cow::Borrowed(n), v)).collect())
    }

    /// The number, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }

    /// The bytes of a string or a buffer.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Str(s) => Some(s.as_bytes()),
            Value::Bytes(b) => Some(b),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// A field of a structure.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Int(n)
    }
}

impl From<i32> for Value {
    fn from(n: i32) -> Self {
        Value::Int(n.into())
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Value::Int(n.into())
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Value::Int(n as i64)
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Self {
        Value::Int(n as i64)
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::str(s)
    }
}

/// A system call with its arguments, in the positions of its C prototype. An argument through which
/// the kernel only answers (the buffer of read(2)) is [`Value::Null`] here and appears in [`Ret::out`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Which call.
    pub nr: Sysno,
    /// Its arguments by position; positions left off at the end are `Null`.
    pub args: Vec<Value>,
}

/// What a call that did not fail gives back.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Ret {
    /// The result register.
    pub value: i64,
    /// What was written through pointer arguments: position and value.
    pub out: Vec<(u8, Value)>,
}

impl Ret {
    /// A result without outputs.
    pub fn new(value: impl Into<i64>) -> Ret {
        Ret { value: value.into(), out: Vec::new() }
    }

    /// The same with an output through the argument at `position`.
    pub fn with(mut self, position: u8, value: Value) -> Ret {
        self.out.push((position, value));
        self
    }

    /// The output through the argument at `position`; `Null` when there is none.
    pub fn output(&self, position: u8) -> &Value {
        const NULL: &Value = &Value::Null;
        self.out.iter().find(|(p, _)| *p == position).map_or(NULL, |(_, v)| v)
    }
}

impl From<i64> for Ret {
    fn from(value: i64) -> Self {
        Ret::new(value)
    }
}

/// The result of a finished call.
pub type CallResult = Result<Ret, Errno>;

/// The arguments of a call in the hands of its handler: typed access by position.
#[derive(Clone, Copy)]
pub struct Args<'a>(pub &'a [Value]);

impl<'a> Args<'a> {
    /// The raw argument; `Null` when it was not given.
    pub fn get(&self, i: usize) -> &'a Value {
        const NULL: &Value = &Value::Null;
        self.0.get(i).unwrap_or(NULL)
    }

    /// A number; `NULL` counts as 0. Anything else is a bad address.
    pub fn int(&self, i: usize) -> Result<i64, Errno> {
        match self.get(i) {
            Value::Int(n) => Ok(*n),
            Value::Null => Ok(0),
            _ => Err(Errno::EFAULT),
        }
    }

    /// The low 32 bits of a number, as the kernel takes an `int`.
    pub fn int32(&self, i: usize) -> Result<i32, Errno> {
        Ok(self.int(i)? as i32)
    }

    /// Flags: all 64 bits.
    pub fn flags(&self, i: usize) -> Result<u64, Errno> {
        Ok(self.int(i)? as u64)
    }

    /// A C string that must be there; `NULL` is a bad address.
    pub fn str(&self, i: usize) -> Result<&'a str, Errno> {
        self.get(i).as_str().ok_or(Errno::EFAULT)
    }

    /// A C string that may be `NULL`.
    pub fn opt_str(&self, i: usize) -> Result<Option<&'a str>, Errno> {
        match self.get(i) {
            Value::Null => Ok(None),
            Value::Int(0) => Ok(None),
            Value::Str(s) => Ok(Some(s)),
            _ => Err(Errno::EFAULT),
        }
    }

    /// A buffer that the kernel reads.
    pub fn bytes(&self, i: usize) -> Result<&'a [u8], Errno> {
        self.get(i).as_bytes().ok_or(Errno::EFAULT)
    }

    /// An array.
    pub fn list(&self, i: usize) -> Result<&'a [Value], Errno> {
        match self.get(i) {
            Value::List(items) => Ok(items),
            Value::Null => Ok(&[]),
            _ => Err(Errno::EFAULT),
        }
    }

    /// An array of C strings.
    pub fn strings(&self, i: usize) -> Result<Vec<String>, Errno> {
        self.list(i)?.iter().map(|v| v.as_str().map(str::to_owned).ok_or(Errno::EFAULT)).collect()
    }
}
