// Command plain says that it runs. Built for a 32-bit architecture it shows whether such system calls get through.
package main

func main() { println("runs") }
