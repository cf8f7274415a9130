# title: What scripts of courses do
# concepts: shell, text tools, loops, traps
for i in 1 2 3; do echo $i; done | paste -sd+ | sed 's/$/=/'
for f in /etc/host*; do echo ${f##*/} ${f%/*}; done
i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i
case abc in a*) echo yes;; *) echo no;; esac
x="a b  c"; set -- $x; echo $# "$*" "$@"; shift; echo $1
f() { local v=1; echo $v $1 $#; return 3; }; f q w; echo $?
echo "${NOPE:-default}" "${HOME#/}" "${#HOME}"; echo ${x/b/X} ${x:2:1}
cat <<END | tr a-z A-Z
hello $x
END
printf '%-5s|%5s|%05d|%x\n' ab cd 42 255
echo a:b:c | cut -d: -f2-; echo 'a,b' | tr , '\n' | sort -r; seq 3 -1 1 | tac | head -2
awk -F: '$3 >= 1000 { print $1, $3 }' /etc/passwd | sort; awk 'BEGIN { printf "%.2f %s\n", 10/3, toupper("x") }'
grep -c root /etc/passwd; grep -n -i ROOT /etc/group; grep -v '^#' /etc/hosts | wc -l; grep -o '[0-9]*\.[0-9]*' /etc/hosts | head -1
sed -n '1p;$p' /etc/passwd | cut -d: -f1; sed 's/root/ROOT/2;q' /etc/passwd; sed -e '/student/d' -e 's/:.*//' /etc/passwd
find /etc -maxdepth 1 -type f -name 'p*' | sort; find /home -type d | sort | xargs ls -ld | awk '{ print $1, $NF }'
ls -1 / | xargs -n 4 echo | head -2; echo 1 2 3 | xargs -I{} echo '[{}]'; printf 'a\0b\0' | xargs -0 -n1 echo
[ -d /proc ] && echo dir; [ -e /nosuch ] || echo none; test 3 -gt 2 -a a = a; echo $?; [ 1 -eq a ]; echo $?
trap 'echo exiting' EXIT; trap - EXIT; (trap 'echo sub' EXIT; true)
set -e; false || true; echo still; set +e
(cd /tmp; pwd); pwd; OLD=$PWD; cd /usr/bin; cd -; echo $OLDPWD
read a b <<< "one two three"; echo $b
exec 3> /tmp/out; echo to3 >&3; exec 3>&-; cat /tmp/out; echo err >&2 2> /dev/null; ls /nosuch 2>&1 | cut -c1-20
sleep 0.1 & wait $!; echo $?; { echo g; } | cat; ! true; echo $?; true && false; echo $?
echo $((2**10)) $((7/2)) $((7%3)) $((1<4 ? 5 : 6)) $((0x10)); expr 3 + 4; expr abc : 'a\(.*\)'
echo 'a b' > '/tmp/x y'; cat "/tmp/x y"; rm /tmp/x*; touch /tmp/{a,b}; ls /tmp | head -5
type cd; type ls; command -v sh; which ls; hash -r; alias; echo $0
env -i A=1 sh -c 'echo $A $PATH | cut -c1-10'; A=2 sh -c 'echo $A'; export B=3; sh -c 'echo $B'; unset B; echo "[$B]"
od -An -tx1 <<< AB; echo hi | tee /tmp/t | cat; sort -t: -k3 -n /etc/passwd | tail -1 | cut -d: -f1; printf '3\n1\n2\n1\n' | sort -u | uniq -c
head -c 5 /etc/passwd; echo; tail -c 4 /etc/hostname; wc -lwc /etc/hostname; dd if=/dev/zero bs=1k count=2 2>&1 | tail -1 | cut -d' ' -f1,2; yes | head -2
getopts ab: o -a; echo $o; eval 'echo ev $x'; . /dev/null; echo $?; : > /tmp/e; test -s /tmp/e; echo $?
kill -l 15; umask 077; touch /tmp/u; stat -c %a /tmp/u; umask; times | wc -l; ulimit -n
nosuchcmd; echo $?; /etc/passwd; echo $?; ./nosuch; echo $?; /tmp; echo $?
sh -c 'echo $1 $0' zero one; sh -e -c 'false; echo no'; sh -x -c 'echo x' 2>&1; sh -n -c 'if'; echo 'echo in' | sh; sh /nosuch
