//! Interruption information: an event in 32 bits.
//!
//! The same layout is used for the event that made an exit (VM-exit interruption information), the event
//! during whose delivery an exit happened (IDT-vectoring information) and the event that an entry injects
//! (VM-entry interruption information). Source: Intel SDM vol. 3, June 2016 (325384-059US), tables 24-13,
//! 24-15, 24-16. AMD's EVENTINJ and EXITINTINFO have the layout too (APM vol. 2 rev. 3.30, §15.20).
//!
//! ```text
//!  31        12 11 10   8 7       0
//!  +-+------+--+--+------+---------+
//!  |V|      |nm|EV| type | vector  |
//!  +-+------+--+--+------+---------+
//! ```

use serde::{Deserialize, Serialize};

/// What kind of event it is: bits 10:8.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EventType {
    /// External interrupt.
    External,
    /// Non-maskable interrupt.
    Nmi,
    /// Hardware exception.
    HardwareException,
    /// INT n.
    SoftwareInterrupt,
    /// INT1.
    PrivilegedSoftwareException,
    /// INT3 or INTO.
    SoftwareException,
    /// Other event: a pending MTF exit, entry only.
    Other,
}

impl EventType {
    /// The number in the field.
    pub fn number(self) -> u32 {
        match self {
            EventType::External => 0,
            EventType::Nmi => 2,
            EventType::HardwareException => 3,
            EventType::SoftwareInterrupt => 4,
            EventType::PrivilegedSoftwareException => 5,
            EventType::SoftwareException => 6,
            EventType::Other => 7,
        }
    }

    /// The type with a number; 1 is reserved.
    pub fn from_number(number: u32) -> Option<EventType> {
        Some(match number {
            0 => EventType::External,
            2 => EventType::Nmi,
            3 => EventType::HardwareException,
            4 => EventType::SoftwareInterrupt,
            5 => EventType::PrivilegedSoftwareException,
            6 => EventType::SoftwareException,
            7 => EventType::Other,
            _ => return None,
        })
    }

    /// Whether its saved RIP is that after the instruction, whose length an entry therefore needs.
    pub fn is_software(self) -> bool {
        matches!(
            self,
            EventType::SoftwareInterrupt | EventType::PrivilegedSoftwareException | EventType::SoftwareException
        )
    }
}

/// An event to be delivered, or one that was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Interruption {
    /// Vector 0 to 255.
    pub vector: u8,
    /// Kind.
    pub kind: EventType,
    /// Error code, if one is pushed.
    pub error_code: Option<u32>,
}

/// Bit 31: the field is valid.
pub const VALID: u32 = 1 << 31;
/// Bit 11: an error code is delivered.
pub const DELIVER_ERROR_CODE: u32 = 1 << 11;

/// Vectors of exceptions that push an error code (SDM 6.15): #DF #TS #NP #SS #GP #PF #AC.
pub const WITH_ERROR_CODE: [u8; 7] = [8, 10, 11, 12, 13, 14, 17];

impl Interruption {
    /// An external interrupt.
    pub fn external(vector: u8) -> Self {
        Interruption { vector, kind: EventType::External, error_code: None }
    }

    /// A hardware exception.
    pub fn exception(vector: u8, error_code: Option<u32>) -> Self {
        Interruption { vector, kind: EventType::HardwareException, error_code }
    }

    /// A non-maskable interrupt.
    pub fn nmi() -> Self {
        Interruption { vector: 2, kind: EventType::Nmi, error_code: None }
    }

    /// The 32-bit field, valid.
    pub fn encode(self) -> u32 {
        let error = if self.error_code.is_some() { DELIVER_ERROR_CODE } else { 0 };
        u32::from(self.vector) | self.kind.number() << 8 | error | VALID
    }

    /// What a field and its error-code field say; `None` when the field is not valid.
    pub fn decode(field: u32, error_code: u32) -> Option<Self> {
        if field & VALID == 0 {
            return None;
        }
        let kind = EventType::from_number(field >> 8 & 7)?;
        let error_code = (field & DELIVER_ERROR_CODE != 0).then_some(error_code);
        Some(Interruption { vector: field as u8, kind, error_code })
    }
}

/// The mnemonic of an exception vector, `#PF` for 14; the number for one without.
pub fn exception_name(vector: u8) -> String {
    const NAMES: [&str; 22] = [
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "", "#TS", "#NP", "#SS", "#GP", "#PF", "",
        "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
    ];
    match NAMES.get(usize::from(vector)) {
        Some(name) if !name.is_empty() => (*name).into(),
        _ => vector.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_from_its_field() {
        for event in [
            Interruption::external(0x91),
            Interruption::exception(14, Some(2)),
            Interruption::exception(6, None),
            Interruption::nmi(),
        ] {
            assert_eq!(Interruption::decode(event.encode(), event.error_code.unwrap_or(0)), Some(event));
        }
        assert_eq!(Interruption::exception(14, Some(2)).encode(), 0x8000_0b0e);
        assert_eq!(Interruption::decode(0x0000_0b0e, 0), None);
    }
}
