# title: Jobs, pipes and redirections
# concepts: shell, wait, exit status, trap, here-documents
sleep 0.2 & sleep 0.1 & wait; echo $?
(exit 3) & wait $!; echo $?
sh -c 'exit 7' | true; echo $?
true | sh -c 'exit 7'; echo $?
! true; echo $?
echo a > /tmp/x; echo b >> /tmp/x; cat < /tmp/x
cat /nosuch 2> /tmp/err; cat /tmp/err
ls /nosuch /etc/hostname > /tmp/both 2>&1; cat /tmp/both
exec 3> /tmp/fd; echo hi >&3; exec 3>&-; cat /tmp/fd
echo x >&9
cd /nosuch; cd /etc/hostname; pwd
for i in $(seq 3); do echo -n $i; done; echo
x=5; while [ $x -gt 3 ]; do x=$((x-1)); done; echo $x
case abc in a*) echo yes;; *) echo no;; esac
f() { return 4; }; f; echo $?
echo ${x:-d} ${nox:-d} ${#x} ${PWD##*/}
set -- a b c; echo $# $2; shift; echo $1
printf '%s-%d\n' a 1 b 2
test -d /etc -a -f /etc/hostname && echo both
readonly r=1; (r=2); echo $r
echo "$(echo nested "$(echo deep)")"
cat <<X
value $x
X
umask 077; touch /tmp/u; stat -c %a /tmp/u; umask
kill -0 $! ; jobs
type cd ls sh
command -v ip
export A=1; sh -c 'echo $A'; unset A; sh -c 'echo [$A]'
sleep 5 & kill %1; wait %1; echo $?
