# A small agent for the demo: it reads the task, runs the test, repairs the
# program and runs the test again. A real environment names a coding agent here.
set -eu
echo "reading the task: $(grep -c . "$CODERFLOW_PROMPT_FILE") lines"
echo "the test before:"
if make -s test; then
	echo "nothing to repair"
	exit 0
fi
echo "receipt.awk adds the price and forgets the quantity; repairing it"
sed -i 's/total += \$3/total += $2 * $3/' receipt.awk
echo "the test after:"
make -s test
