//! A machine for the few pickle instructions that a state dict is made of.
//!
//! A pickle is a program: its instruction `GLOBAL` names any function of any Python module and `REDUCE` calls it, which is how a file
//! of weights becomes an attack. Here nothing is ever called. [`Global`] lists what may be named, all of it data; every other name
//! is refused, and so is every instruction that no state dict needs.
//!
//! Containers live in one arena and refer to each other by index: a dictionary that contains itself is a number, not a
//! leak, and a value taken from the memo a million times is a million numbers. Every count has a limit.

use std::collections::HashMap;
use std::io::{self, Read};
use std::rc::Rc;

use super::super::error::PickleProblem;

/// The longest pickle read: thousands of times that of a model of a thousand tensors.
const MAX_BYTES: u64 = 16 << 20;
/// Values made, some thirty for a tensor.
const MAX_PUSHED: u64 = 1 << 22;
/// Containers, tensors, notes in the memo: each at most so many.
const MAX_VALUES: usize = 1 << 20;
/// Dimensions of a tensor.
const MAX_RANK: usize = 16;
/// 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// What a pickle may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    /// `_rebuild_tensor` of PyTorch before 0.4, and its successor.
    Tensor,
    Parameter,
    /// A kind of storage, by safetensors' name for its numbers.
    Storage(&'static str),
}

impl Global {
    fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter") => Self::Parameter,
            ("torch", "FloatStorage") => Self::Storage("F32"),
            ("torch", "HalfStorage") => Self::Storage("F16"),
            ("torch", "BFloat16Storage") => Self::Storage("BF16"),
            ("torch", "DoubleStorage") => Self::Storage("F64"),
            ("torch", "LongStorage") => Self::Storage("I64"),
            ("torch", "IntStorage") => Self::Storage("I32"),
            ("torch", "ShortStorage") => Self::Storage("I16"),
            ("torch", "CharStorage") => Self::Storage("I8"),
            ("torch", "ByteStorage") => Self::Storage("U8"),
            ("torch", "BoolStorage") => Self::Storage("BOOL"),
            _ => return None,
        })
    }
}

/// What stands on the machine's stack; the numbers are places in the arena.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool,
    Float,
    Int(i64),
    /// The number a stream begins with.
    Magic,
    Text(Rc<str>),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Global(Global),
    Storage(usize),
    Tensor(usize),
}

/// A storage a tensor lies in.
#[derive(Debug, Clone)]
pub(super) struct Storage {
    pub(super) dtype: &'static str,
    pub(super) key: Rc<str>,
    /// How many numbers it has.
    pub(super) count: u64,
}

/// A tensor, as a view of its storage; numbers are not checked yet.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) storage: usize,
    pub(super) offset: i64,
    pub(super) shape: Vec<i64>,
    pub(super) strides: Vec<i64>,
}

/// What a pickle describes.
#[derive(Debug)]
pub(super) struct Pickled {
    pub(super) root: Value,
    pub(super) storages: Vec<Storage>,
    pub(super) views: Vec<View>,
    sequences: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
}

impl Pickled {
    /// The items of a tuple or list.
    pub(super) fn items(&self, value: &Value) -> Option<&[Value]> {
        match value {
            Value::Tuple(at) | Value::List(at) => Some(&self.sequences[*at]),
            _ => None,
        }
    }

    /// The entries of a dictionary, in the order they were set, a key that was set twice twice.
    pub(super) fn entries(&self, value: &Value) -> Option<&[(Value, Value)]> {
        match value {
            Value::Dict(at) => Some(&self.dicts[*at]),
            _ => None,
        }
    }
}

/// Where it went wrong, and how; or the operating system refused.
#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    Problem(u64, PickleProblem),
}

/// Runs one pickle from the front of `reader`; also the number of bytes it has.
pub(super) fn run(reader: &mut impl Read) -> Result<(Pickled, u64), Failure> {
    let mut machine = Machine {
        reader,
        position: 0,
        pushed: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        result: Pickled {
            root: Value::None,
            storages: Vec::new(),
            views: Vec::new(),
            sequences: Vec::new(),
            dicts: Vec::new(),
        },
    };
    let mut at = 0;
    loop {
        match machine.step() {
            Ok(false) => at = machine.position,
            Ok(true) => return Ok((machine.result, machine.position)),
            Err(Stop::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(Failure::Io(error));
            }
            Err(Stop::Io(_)) => return Err(Failure::Problem(at, PickleProblem::Truncated)),
            Err(Stop::Problem(problem)) => return Err(Failure::Problem(at, problem)),
        }
    }
}

enum Stop {
    Io(io::Error),
    Problem(PickleProblem),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn malformed<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Problem(PickleProblem::Malformed { reason: reason.into() }))
}

struct Machine<'a, R> {
    reader: &'a mut R,
    position: u64,
    pushed: u64,
    stack: Vec<Value>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    result: Pickled,
}

impl<R: Read> Machine<'_, R> {
    /// One instruction; whether it was the last.
    fn step(&mut self) -> Result<bool, Stop> {
        let [code] = self.bytes::<1>()?;
        match code {
            b'\x80' => {
                let [protocol] = self.bytes()?;
                if !(2..=5).contains(&protocol) {
                    return malformed(format!("protocol {protocol}, where 2 to 5 are read"));
                }
            }
            // A frame's length: only a hint for buffering.
            b'\x95' => drop(self.bytes::<8>()?),
            b'N' => self.push(Value::None)?,
            b'\x88' | b'\x89' => self.push(Value::Bool)?,
            b'G' => {
                self.bytes::<8>()?;
                self.push(Value::Float)?;
            }
            b'K' => {
                let [number] = self.bytes()?;
                self.push(Value::Int(number.into()))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.bytes()?);
                self.push(Value::Int(number.into()))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.bytes()?);
                self.push(Value::Int(number.into()))?;
            }
            b'\x8a' => self.long()?,
            b'\x8c' | b'U' => {
                let [length] = self.bytes()?;
                self.text(length.into())?;
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.bytes()?);
                self.text(length.into())?;
            }
            b'\x8d' => {
                let length = u64::from_le_bytes(self.bytes()?);
                self.text(length)?;
            }
            b'(' => {
                limit("marks", self.marks.len())?;
                self.marks.push(self.stack.len());
            }
            b')' => self.push_tuple(Vec::new())?,
            b'\x85' => self.push_top(1)?,
            b'\x86' => self.push_top(2)?,
            b'\x87' => self.push_top(3)?,
            b't' => {
                let items = self.marked()?;
                self.push_tuple(items)?;
            }
            b']' => {
                let at = self.sequence(Vec::new())?;
                self.push(Value::List(at))?;
            }
            b'}' => self.push_dict(Vec::new())?,
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.marked()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![key, value])?;
            }
            b'u' => {
                let items = self.marked()?;
                self.set(items)?;
            }
            b'q' => {
                let [index] = self.bytes()?;
                self.note(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.bytes()?);
                self.note(index.into())?;
            }
            b'\x94' => self.note(self.memo.len() as u64)?,
            b'h' => {
                let [index] = self.bytes()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.bytes()?);
                self.recall(index.into())?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(&module, &name)?;
            }
            b'\x93' => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => self.name(&module, &name)?,
                _ => return malformed("a name that is no text"),
            },
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            // What a dictionary has besides its entries: PyTorch's versions of modules.
            b'b' => {
                self.pop()?;
                if !matches!(self.stack.last(), Some(Value::Dict(_) | Value::Tensor(_))) {
                    return malformed("attributes for something that is no dictionary");
                }
            }
            b'.' => {
                self.result.root = self.pop()?;
                if !self.stack.is_empty() || !self.marks.is_empty() {
                    return malformed("something is left on the stack");
                }
                return Ok(true);
            }
            code => return Err(Stop::Problem(PickleProblem::Instruction { code })),
        }
        Ok(false)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        self.advance(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn advance(&mut self, bytes: u64) -> Result<(), Stop> {
        self.position = self.position.saturating_add(bytes);
        if self.position > MAX_BYTES {
            return Err(Stop::Problem(PickleProblem::Limit { what: "bytes", allowed: MAX_BYTES }));
        }
        Ok(())
    }

    fn text(&mut self, length: u64) -> Result<(), Stop> {
        self.advance(length)?;
        // What is claimed is not allocated until it is there.
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length {
            return Err(Stop::Problem(PickleProblem::Truncated));
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.push(Value::Text(text.into())),
            Err(_) => malformed("text that is not UTF-8"),
        }
    }

    fn line(&mut self) -> Result<String, Stop> {
        let mut line = Vec::new();
        loop {
            let [byte] = self.bytes()?;
            if byte == b'\n' {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if line.len() == 256 {
                return malformed("a name of more than 256 bytes");
            }
            line.push(byte);
        }
    }

    /// An integer of a given number of bytes, two's complement.
    fn long(&mut self) -> Result<(), Stop> {
        let [length] = self.bytes()?;
        if length == 10 && self.bytes::<10>()? == MAGIC {
            return self.push(Value::Magic);
        }
        if length > 8 {
            return malformed(format!("an integer of {length} bytes"));
        }
        let mut number = [0; 8];
        let (used, rest) = number.split_at_mut(length.into());
        self.advance(length.into())?;
        self.reader.read_exact(used)?;
        if used.last().is_some_and(|&last| last >= 128) {
            rest.fill(255);
        }
        self.push(Value::Int(i64::from_le_bytes(number)))
    }

    /// Each value is pushed once, and containers take theirs from the stack: this bounds them all.
    fn push(&mut self, value: Value) -> Result<(), Stop> {
        if self.pushed == MAX_PUSHED {
            return Err(Stop::Problem(PickleProblem::Limit { what: "values", allowed: MAX_PUSHED }));
        }
        self.pushed += 1;
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, Stop> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return malformed("a value is taken where there is none");
        }
        self.stack.pop().map_or_else(|| malformed("a value is taken where there is none"), Ok)
    }

    /// Everything above the last mark.
    fn marked(&mut self) -> Result<Vec<Value>, Stop> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark.min(self.stack.len()))),
            None => malformed("a mark is missing"),
        }
    }

    fn sequence(&mut self, items: Vec<Value>) -> Result<usize, Stop> {
        limit("tuples and lists", self.result.sequences.len())?;
        self.result.sequences.push(items);
        Ok(self.result.sequences.len() - 1)
    }

    fn push_tuple(&mut self, items: Vec<Value>) -> Result<(), Stop> {
        let at = self.sequence(items)?;
        self.push(Value::Tuple(at))
    }

    fn push_top(&mut self, count: usize) -> Result<(), Stop> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push_tuple(items)
    }

    fn push_dict(&mut self, entries: Vec<(Value, Value)>) -> Result<(), Stop> {
        limit("dictionaries", self.result.dicts.len())?;
        self.result.dicts.push(entries);
        self.push(Value::Dict(self.result.dicts.len() - 1))
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), Stop> {
        match self.stack.last() {
            Some(Value::List(at)) => {
                self.result.sequences[*at].extend(items);
                Ok(())
            }
            _ => malformed("items for something that is no list"),
        }
    }

    fn set(&mut self, items: Vec<Value>) -> Result<(), Stop> {
        let Some(Value::Dict(at)) = self.stack.last() else {
            return malformed("entries for something that is no dictionary");
        };
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return malformed("a key without its value");
        }
        self.result.dicts[*at].extend(pairs.iter().map(|[key, value]| (key.clone(), value.clone())));
        Ok(())
    }

    fn note(&mut self, index: u64) -> Result<(), Stop> {
        limit("notes", self.memo.len())?;
        match self.stack.last() {
            Some(top) => self.memo.insert(index, top.clone()),
            None => return malformed("nothing to take note of"),
        };
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Result<(), Stop> {
        match self.memo.get(&index) {
            Some(value) => self.push(value.clone()),
            None => malformed(format!("note {index} was never taken")),
        }
    }

    fn name(&mut self, module: &str, name: &str) -> Result<(), Stop> {
        match Global::named(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(Stop::Problem(PickleProblem::Global {
                name: format!("{module}.{name}").escape_debug().to_string(),
            })),
        }
    }

    /// `('storage', kind, key, location, count)`, and nothing or `None` behind it.
    fn persistent(&mut self) -> Result<(), Stop> {
        let id = self.pop()?;
        let items = self.result.items(&id).unwrap_or_default();
        let (
            Some(
                [
                    Value::Text(tag),
                    Value::Global(Global::Storage(dtype)),
                    Value::Text(key),
                    Value::Text(_),
                    Value::Int(count),
                ],
            ),
            rest,
        ) = (items.first_chunk::<5>(), items.get(5..).unwrap_or_default())
        else {
            return malformed("a reference that is no storage");
        };
        if &**tag != "storage" || !matches!(rest, [] | [Value::None]) {
            return malformed("a reference that is no whole storage");
        }
        let Ok(count) = u64::try_from(*count) else {
            return malformed(format!("a storage of {count} numbers"));
        };
        let storage = Storage { dtype, key: key.clone(), count };
        limit("storages", self.result.storages.len())?;
        self.result.storages.push(storage);
        self.push(Value::Storage(self.result.storages.len() - 1))
    }

    fn reduce(&mut self) -> Result<(), Stop> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Value::Tuple(at) = arguments else { return malformed("arguments that are no tuple") };
        // Taken, not copied: what is called twice with the same ones would multiply them.
        let arguments = std::mem::take(&mut self.result.sequences[at]);
        match (callee, arguments.as_slice()) {
            (Value::Global(Global::OrderedDict), []) => self.push_dict(Vec::new()),
            // Python 2 hands over the entries.
            (Value::Global(Global::OrderedDict), [Value::List(pairs)]) => {
                let pairs = std::mem::take(&mut self.result.sequences[*pairs]);
                let pair = |value: &Value| match self.result.items(value) {
                    Some([key, value]) => Some((key.clone(), value.clone())),
                    _ => None,
                };
                match pairs.iter().map(pair).collect::<Option<Vec<_>>>() {
                    Some(entries) => self.push_dict(entries),
                    None => malformed("a dictionary of something that is no pairs"),
                }
            }
            (
                Value::Global(Global::Tensor),
                [Value::Storage(storage), Value::Int(offset), shape, strides, ..],
            ) => {
                let numbers = |value: &Value| {
                    let number = |value: &Value| match value {
                        Value::Int(number) => Some(*number),
                        _ => None,
                    };
                    let numbers = self.result.items(value).filter(|items| items.len() <= MAX_RANK)?;
                    numbers.iter().map(number).collect::<Option<Vec<i64>>>()
                };
                let (Some(shape), Some(strides)) = (numbers(shape), numbers(strides)) else {
                    return malformed("a tensor whose shape or strides are not up to sixteen numbers");
                };
                limit("tensors", self.result.views.len())?;
                self.result.views.push(View { storage: *storage, offset: *offset, shape, strides });
                self.push(Value::Tensor(self.result.views.len() - 1))
            }
            (Value::Global(Global::Parameter), [tensor @ Value::Tensor(_), ..]) => self.push(tensor.clone()),
            (callee, _) => malformed(format!("{callee:?} cannot be made of these arguments")),
        }
    }
}

fn limit(what: &'static str, count: usize) -> Result<(), Stop> {
    if count < MAX_VALUES {
        return Ok(());
    }
    Err(Stop::Problem(PickleProblem::Limit { what, allowed: MAX_VALUES as u64 }))
}
