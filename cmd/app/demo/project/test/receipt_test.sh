# Three apples at 1.20 and one bread at 3.50 are 7.10.
set -eu
got=$(awk -f receipt.awk receipts/monday.txt)
if [ "$got" != 710 ]; then
	echo "FAIL: the total of receipts/monday.txt is $got, want 710" >&2
	exit 1
fi
echo "ok: 1 receipt"
