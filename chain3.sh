. /work/wt/out/slider/env.sh
O=/work/wt/out/slider; N="nice -n 6 $PY"
$N $O/un2.py > $O/un2.log 2>&1
$N $O/exp.py actv forehead_lines steps=150 say=75 init=$O/models2/forehead_lines > $O/actv.log 2>&1
$N $O/exp.py actv_crows crows_feet steps=100 say=100 init=$O/models2/crows_feet > $O/actv_crows.log 2>&1
