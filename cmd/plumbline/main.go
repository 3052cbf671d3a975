// Command plumbline tells whether the idle color of a blue/green deployment is true before anyone puts weight on it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // schedules name time zones, and small images have none
)

func main() { os.Exit(process(os.Args[1:])) }

// process carries out a command line as this process, which a signal interrupts.
func process(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, args, Shell{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ()})
}
