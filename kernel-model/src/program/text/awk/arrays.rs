//! Which parameters of functions are arrays: awk has no declarations.

use std::collections::BTreeMap;

use super::ast::{ArrayName, Expr, Function, Redirect, Script, Stmt};

/// Finds out which parameters are arrays: those that are used as such, and those that are handed to such.
pub(super) fn infer_arrays(script: &mut Script) {
    loop {
        let known = script.functions.clone();
        let mut changed = false;
        for function in script.functions.values_mut() {
            let mut found = function.arrays.clone();
            let mut mark = |name: &ArrayName| {
                if let ArrayName::Local(place) = name
                    && let Some(flag) = found.get_mut(*place)
                {
                    *flag = true;
                }
            };
            function.body.iter().for_each(|s| statement_arrays(s, &known, &mut mark));
            changed |= found != function.arrays;
            function.arrays = found;
        }
        if !changed {
            return;
        }
    }
}

type Known = BTreeMap<String, Function>;

fn statement_arrays(statement: &Stmt, known: &Known, mark: &mut dyn FnMut(&ArrayName)) {
    let mut all = |exprs: &[Expr]| exprs.iter().for_each(|e| expr_arrays(e, known, mark));
    match statement {
        Stmt::Expr(e) => all(std::slice::from_ref(e)),
        Stmt::Print(values, redirect) | Stmt::Printf(values, redirect) => {
            all(values);
            if let Some(Redirect::File(e) | Redirect::Append(e) | Redirect::Pipe(e)) = redirect {
                all(std::slice::from_ref(e));
            }
        }
        Stmt::If(e, then, otherwise) => {
            all(std::slice::from_ref(e));
            statement_arrays(then, known, mark);
            if let Some(otherwise) = otherwise {
                statement_arrays(otherwise, known, mark);
            }
        }
        Stmt::While(e, body) | Stmt::Do(body, e) => {
            all(std::slice::from_ref(e));
            statement_arrays(body, known, mark);
        }
        Stmt::For(first, condition, step, body) => {
            all(condition.as_slice());
            for part in [first, step].into_iter().flatten().chain([body]) {
                statement_arrays(part, known, mark);
            }
        }
        Stmt::ForIn(_, array, body) => {
            mark(array);
            statement_arrays(body, known, mark);
        }
        Stmt::Block(body) => body.iter().for_each(|s| statement_arrays(s, known, mark)),
        Stmt::Exit(Some(e)) | Stmt::Return(Some(e)) => all(std::slice::from_ref(e)),
        Stmt::Delete(array, index) => {
            all(index.as_deref().unwrap_or_default());
            mark(array);
        }
        _ => {}
    }
}

fn expr_arrays(expr: &Expr, known: &Known, mark: &mut dyn FnMut(&ArrayName)) {
    let mut both = |a: &Expr, b: &Expr| {
        expr_arrays(a, known, mark);
        expr_arrays(b, known, mark);
    };
    match expr {
        Expr::Index(array, keys) | Expr::In(keys, array) => {
            keys.iter().for_each(|k| expr_arrays(k, known, mark));
            mark(array);
        }
        Expr::Group(all) => all.iter().for_each(|e| expr_arrays(e, known, mark)),
        Expr::Field(e) | Expr::Unary(_, e) | Expr::Step(e, _, _) => expr_arrays(e, known, mark),
        Expr::Binary(_, a, b) | Expr::And(a, b) | Expr::Or(a, b) | Expr::Match(_, a, b) | Expr::Assign(a, _, b) => {
            both(a, b)
        }
        Expr::Choice(a, b, c) => {
            both(a, b);
            expr_arrays(c, known, mark);
        }
        Expr::Call(name, arguments) => {
            for (i, argument) in arguments.iter().enumerate() {
                let is_array = known.get(name).and_then(|f| f.arrays.get(i)).copied().unwrap_or(false);
                match argument {
                    Expr::Local(place) if is_array => mark(&ArrayName::Local(*place)),
                    other => expr_arrays(other, known, mark),
                }
            }
        }
        Expr::Builtin(name, arguments) => {
            for (i, argument) in arguments.iter().enumerate() {
                match argument {
                    Expr::Local(place) if name == "split" && i == 1 => mark(&ArrayName::Local(*place)),
                    other => expr_arrays(other, known, mark),
                }
            }
        }
        _ => {}
    }
}
