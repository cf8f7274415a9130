//! AMD-V: exit codes.

use crate::sheet::{number, rows};
use hypervisor_model::svm::exit_code::{EXIT_CODES, ExitCode};

#[test]
fn exit_codes_are_the_manuals() {
    let sheet = rows("svm-exit-codes", 4);
    for row in &sheet {
        let code = ExitCode(number(&row[0]));
        let found = code.row().unwrap_or_else(|| panic!("{row:?} is missing"));
        assert_eq!((found.first, found.last), (number(&row[0]), number(&row[1])), "{row:?}");
        assert_eq!(code.linux_name(), row[2], "{row:?}");
        assert!(code.name().contains(row[3].as_str()), "{row:?}: {}", code.name());
    }
    assert_eq!(sheet.len(), EXIT_CODES.len(), "codes that the sheet does not have");
}
