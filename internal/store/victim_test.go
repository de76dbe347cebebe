package store_test

const victimEnv = "CODERFLOW_TEST_STORE_VICTIM"

func victim(string) int { return 1 }
