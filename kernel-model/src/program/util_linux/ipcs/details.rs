//! `ipcs -i`: everything about one object.

use super::{at, rows};
use crate::program::Sys;
use crate::program::calendar::strftime;
use crate::syscall::{Sysno, Value};

/// Prints one object of a kind.
pub(super) async fn print(sys: &Sys, kind: char, id: i64) {
    let file = match kind {
        'q' => "msg",
        'm' => "shm",
        _ => "sem",
    };
    let all = rows(sys, file).await;
    let Some(row) = all.iter().find(|row| at(row, 1) == id) else {
        sys.warnx(format!("id {id} not found")).await;
        return;
    };
    let n = |column| at(row, column);
    let mode = n(2);
    let time = |column| format!("{:<26}", ctime(n(column)));
    let text = match kind {
        'q' => {
            let qbytes = queue_size(sys, id).await;
            format!(
                "\nMessage Queue msqid={id}\nuid={}\tgid={}\tcuid={}\tcgid={}\tmode=0{mode:o}\n\
                 cbytes={}\tqbytes={qbytes}\tqnum={}\tlspid={}\tlrpid={}\n\
                 send_time={}\nrcv_time={}\nchange_time={}\n\n",
                n(7),
                n(8),
                n(9),
                n(10),
                n(3),
                n(4),
                n(5),
                n(6),
                time(11),
                time(12),
                time(13)
            )
        }
        'm' => format!(
            "\nShared memory Segment shmid={id}\nuid={}\tgid={}\tcuid={}\tcgid={}\n\
             mode=0{mode:o}\taccess_perms=0{:o}\nbytes={}\tlpid={}\tcpid={}\tnattch={}\n\
             att_time={}\ndet_time={}\nchange_time={}\n\n",
            n(7),
            n(8),
            n(9),
            n(10),
            mode & 0o777,
            n(3),
            n(5),
            n(4),
            n(6),
            time(11),
            time(12),
            time(13)
        ),
        _ => {
            let head = format!(
                "\nSemaphore Array semid={id}\nuid={}\t gid={}\t cuid={}\t cgid={}\nmode=0{mode:o}, access_perms=0{:o}\n\
                 nsems = {}\notime = {}\nctime = {}\n",
                n(4),
                n(5),
                n(6),
                n(7),
                mode & 0o777,
                n(3),
                time(8),
                time(9)
            );
            head + &semaphores(sys, id, n(3)).await + "\n"
        }
    };
    sys.print(text).await;
}

/// A time as ctime(3) writes it.
pub(super) fn ctime(seconds: i64) -> String {
    if seconds == 0 { "Not set".to_owned() } else { strftime("%a %b %e %H:%M:%S %Y", seconds, 0) }
}

/// The size of a queue, which `/proc/sysvipc` does not show.
async fn queue_size(sys: &Sys, id: i64) -> i64 {
    let ret = sys.call(Sysno::MSGCTL, vec![id.into(), 2.into()]).await.unwrap_or_default();
    ret.output(2).field("msg_qbytes").and_then(Value::as_int).unwrap_or(0)
}

async fn semaphores(sys: &Sys, id: i64, count: i64) -> String {
    let line = |cells: [String; 5]| cells.map(|cell| format!("{cell:<10}")).join(" ") + "\n";
    let mut text = line(["semnum", "value", "ncount", "zcount", "pid"].map(str::to_owned));
    for num in 0..count {
        let mut cells = [num.to_string(), String::new(), String::new(), String::new(), String::new()];
        // GETVAL, GETNCNT, GETZCNT, GETPID
        for (cell, cmd) in cells.iter_mut().skip(1).zip([12, 14, 15, 11]) {
            let answer = sys.call_int(Sysno::SEMCTL, vec![id.into(), num.into(), cmd.into()]).await;
            *cell = answer.unwrap_or(0).to_string();
        }
        text += &line(cells);
    }
    text
}
