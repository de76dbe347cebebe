# Prints the total of a receipt in cents.
BEGIN { FS = ";" }
NF == 3 { total += $3 }
END { print total + 0 }
