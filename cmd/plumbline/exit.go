package main

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes.
const (
	exitFail       = 1 // failed, or closed
	exitUsage      = 2 // usage or configuration
	exitUnknown    = 3 // could not be determined
	exitTimeout    = 4 // the command's own --timeout
	exitSuperseded = 5
	exitInterrupt  = 130
)

// An exit is an error with a code. Without text, standard output has said everything.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *exit) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &exit{exitUsage, fmt.Errorf(format, args...)} }
func unknownf(format string, args ...any) error {
	return &exit{exitUnknown, fmt.Errorf(format, args...)}
}

// silent ends with a code that the output has explained already.
func silent(code int) error {
	if code == 0 {
		return nil
	}
	return &exit{code: code}
}

func codeOf(ctx context.Context, err error) (code int, quiet bool) {
	var e *exit
	isExit := errors.As(err, &e)
	switch {
	case ctx.Err() != nil && (!isExit || e.code == exitUnknown):
		return exitInterrupt, true // whatever could not be determined then, it is because of that
	case isExit:
		return e.code, e.err == nil
	}
	return exitUsage, false
}
