# title: Arithmetic and matching by arguments
# concepts: expr, exit status, anchored regular expressions
expr 1 + 2 \* 3; expr \( 1 + 2 \) \* 3; expr 7 / 2; expr -7 / 2; expr -7 % 3; expr 5 - 8
expr 0; echo $?; expr ''; echo $?; expr 1 = 1; echo $?; expr a '<' b; expr 10 '<' 9; echo $?; expr 2 '<' 10
expr; echo $?; expr 1 +; echo $?; expr 1 2; echo $?; expr 1 / 0; echo $?; expr a + 1; echo $?; expr \( 1; echo $?; expr \( 1 2; echo $?; expr 1 \); echo $?; expr +; echo $?
expr abc : 'a.'; expr abc : 'b'; echo $?; expr abc : 'a\(x*\)'; echo $?; expr abc : '\(.\).'; expr abc : '*'; expr abc : '\(' ; echo $?
expr length hello; expr substr hello 2 3; expr substr hello 0 3; echo $?; expr index hello lo; expr index hello z; expr match abc 'ab'; expr + length; expr length + length
expr 0 \| 5; expr '' \| ''; echo $?; expr 3 \& 0; echo $?; expr 3 \& 4; expr 00 \| x; expr -- 5 - 2; expr --help | head -1; expr a \| b \& c
expr 99999999999999999999 + 1; expr 1 '==' 1; expr a '!=' a; expr b '>=' a; expr substr hello a 1; expr length; echo $?; expr ' 1' + 1; expr 1 + '-1'; expr - ; expr -1
