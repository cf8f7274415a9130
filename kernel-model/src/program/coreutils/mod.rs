//! The programs of coreutils.

pub mod basename;
pub mod busybox;
pub mod cat;
pub mod chmod;
pub mod chown;
pub mod chroot;
mod copy;
pub mod cp;
pub mod cut;
pub mod date;
pub mod dd;
pub mod df;
pub mod echo;
pub mod env;
pub mod expr;
pub mod filevercmp;
pub mod head;
pub mod id;
pub mod ln;
pub mod ls;
mod ls_format;
pub mod mkdir;
pub mod mknod;
pub mod mktemp;
pub mod od;
pub mod printf;
pub mod readlink;
pub mod rm;
pub mod rmdir;
pub mod seq;
pub mod sleep;
pub mod small;
pub mod sort;
pub mod stat;
pub mod tac;
pub mod tail;
pub mod tee;
pub mod test_expr;
pub mod timeout;
pub mod touch;
pub mod tr;
pub mod true_false;
pub mod uniq;
mod usage_errors;
pub mod wc;

use super::registry::Program;

/// The programs in this folder.
pub const PROGRAMS: &[&Program] = &[
    &basename::BASENAME,
    &basename::DIRNAME,
    &busybox::BUSYBOX,
    &cat::CAT,
    &dd::DD,
    &df::DF,
    &mknod::MKFIFO,
    &mknod::MKNOD,
    &mktemp::MKTEMP,
    &od::OD,
    &seq::SEQ,
    &sort::SORT,
    &tac::PASTE,
    &tac::TAC,
    &timeout::NICE,
    &timeout::NOHUP,
    &timeout::TIMEOUT,
    &chmod::CHMOD,
    &chown::CHGRP,
    &chown::CHOWN,
    &chroot::CHROOT,
    &cp::CP,
    &cp::MV,
    &cut::CUT,
    &date::DATE,
    &ln::LINK,
    &ln::LN,
    &stat::STAT,
    &touch::TOUCH,
    &echo::ECHO,
    &env::ENV,
    &expr::EXPR,
    &env::PRINTENV,
    &head::HEAD,
    &id::GROUPS,
    &id::ID,
    &id::WHOAMI,
    &ls::LS,
    &mkdir::MKDIR,
    &printf::PRINTF,
    &readlink::READLINK,
    &readlink::REALPATH,
    &rm::RM,
    &rm::UNLINK,
    &rmdir::RMDIR,
    &sleep::SLEEP,
    &small::NPROC,
    &small::PWD,
    &small::STTY,
    &small::SYNC,
    &small::TTY,
    &small::UNAME,
    &small::YES,
    &tail::TAIL,
    &tee::TEE,
    &test_expr::BRACKET,
    &test_expr::TEST,
    &true_false::FALSE,
    &true_false::TRUE,
    &tr::TR,
    &uniq::UNIQ,
    &wc::WC,
];
