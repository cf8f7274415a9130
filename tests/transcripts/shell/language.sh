# The language of the shell: expansions, arrays, redirections, loops, traps
set -- a "b c" d; echo $#; for x; do echo "<$x>"; done; shift 2; echo "$1"
f() { local v=1; echo $v $# "$*"; return 3; }; f x y; echo $?
v=abcdef; echo ${v#ab} ${v%ef} ${v:2:3} ${#v} ${v/cd/X} ${v^^} ${u:-def} ${v:+set}
sh -c 'echo ${u:?not set}; echo no'; (echo ${u:?gone}; echo no); echo $?
(exit 3) || echo $?
case foo.txt in *.c) echo c;; *.txt|*.md) echo text;; *) echo other;; esac
i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done; until [ $i = 0 ]; do i=$((i-1)); done; echo $i
echo $((3**2)) $((7%3)) $((1<<4)) $((0x1f)) $((010)) $((5>3?1:2)); echo $((i++)) $i
x=$(echo a; echo b); echo "$x"; echo $x
cat <<A; cat <<'B'; cat <<-C
$v `echo hi`
A
$v `echo hi`
B
	tab stripped
	C
echo {a,b}{1,2} ~ ~student *.none
trap 'echo caught' USR1; kill -USR1 $$; trap - USR1; trap
sh -c 'trap "echo bye" EXIT; exit 4'
echo one >&2 | cat; { echo out; echo err >&2; } 2>&1 | sort
exec 5>/tmp/f5; echo five >&5; exec 5>&-; cat /tmp/f5; echo x >&5
echo a > /tmp/l; echo b >> /tmp/l; cat < /tmp/l; wc -l < /tmp/l; read a b < /tmp/l; echo "$a|$b"
set -e; false || true; set +e; set -u; echo ${nope-unset}; set +u; set -o | head -3
sh -eu -c 'echo $nope; echo not'
sh -c 'echo $0 $1 $#' name one two
type cd; type ls; command -v cat; type f | head -1; type nosuch
alias ll='ls -l'; alias; unalias ll
unset v; echo "[$v]"; readonly r=1; (r=2; echo no); echo $?; sh -c "readonly q=1; q=2; echo no"
echo "done"; test -f /etc/passwd -a -d /etc && echo both; [ a = b ]; [ 1 -eq x ]
printf '%s-%d-%x-%5.2f|%-5s|%03d\n' a 10 255 3.14159 ab 7
true && false; echo $?; ! true; echo $?; true | false | true; echo $?; set -o pipefail; false | true; echo $?; set +o pipefail
sleep 5 & jobs; kill %1; wait %1; echo $?; jobs
wait 99999; echo $?
umask; umask 077; touch /tmp/um; ls -l /tmp/um | cut -c1-10; umask -S; umask 22
cd /tmp && pwd && cd - && cd /nonexistent; cd /etc/passwd; pwd
pushd /tmp
echo $SHLVL $- $PPID; echo ${BASH_VERSION%%(*}
eval 'echo $((1+1))'; (. /nonexistent; echo no); echo $?; (shift 9; echo yes $?); (export 1a=2; echo no $?); (unset r; echo $?)
getopts ab: o -a -b x; echo $o; getopts ab: o -a -b x; echo $o $OPTARG
nosuchcmd; /etc/passwd; /etc; ./nosuch
hash -r; hash cat; hash | tail -1
IFS=:; for d in $PATH; do echo $d; done; unset IFS
read -r l <<< "a\tb"; echo "$l"
arr=(1 2 3); echo ${arr[1]} ${#arr[@]} ${arr[@]:1}
[[ abc == a* ]] && echo match; [[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}
let y=3*4; echo $y; ((y>5)) && echo big; for ((k=0;k<2;k++)); do echo $k; done
