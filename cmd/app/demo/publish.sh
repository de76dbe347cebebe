# The landed commit is mounted read-only at /workspace; nothing else is here.
make -s test
echo "publishing commit $CODERFLOW_COMMIT to the channel $PARAM_CHANNEL"
awk -f receipt.awk receipts/monday.txt >/tmp/total
echo "published: Monday's total is $(cat /tmp/total) cents"
