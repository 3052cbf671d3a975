package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/internal/term"
)

// A question is the body of a gate request over the bus.
type question struct {
	Version string            `json:"version,omitempty"`
	Digest  string            `json:"digest,omitempty"`
	Purpose plumbline.Purpose `json:"purpose,omitempty"`
	Event   string            `json:"event,omitempty"`
}

func (a *app) gateCommand() *cobra.Command {
	var q question
	var purpose string
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "gate SERVICE COLOR --version V",
		Short: "ask whether traffic may move to a color",
		Long: `Asks the gate. The exit code is 0 only if it is open: 1 closed or waiting, 3 nobody could answer, 4 --timeout ran out
while it was waiting. Without --version the question is about whatever runs there.`,
		Example: "  plumbline gate plum green --version 2026.11.3 --wait && move-traffic",
		Args:    arguments("SERVICE", "COLOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Purpose = plumbline.Purpose(purpose)
			if q.Purpose != plumbline.PurposePromote && q.Purpose != plumbline.PurposeRollback {
				return usagef("--purpose %q: want promote or rollback%s", purpose, didYouMean(purpose, []string{"promote", "rollback"}))
			}
			return a.gate(cmd.Context(), args[0], args[1], q, wait, timeout)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Version, "version", "", "the `VERSION` that traffic would move to")
	flags.StringVar(&q.Digest, "digest", "", "`DIGEST` of its artifact")
	flags.StringVar(&q.Event, "event", "", "`ID` of the release event that is meant")
	flags.StringVar(&purpose, "purpose", "promote", "`WHAT` for: promote or rollback")
	flags.BoolVar(&wait, "wait", false, "ask until it is decided")
	timeoutFlag(cmd, &timeout)
	a.formats(cmd, "pretty", "json")
	return cmd
}

func (a *app) gate(ctx context.Context, service, color string, q question, wait bool, timeout time.Duration) error {
	b, c, err := a.reach(ctx, service, color)
	if err != nil {
		return err
	}
	defer b.Close()
	waited, cancel := context.WithTimeoutCause(ctx, timeout, errWaited)
	defer cancel()
	document, err := a.decided(waited, b, service, c, q, wait)
	switch {
	case err == nil:
		return a.sayGate(document)
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, errWaited):
		return err
	}
	if document.Schema == "" {
		return &exit{exitTimeout, fmt.Errorf("not decided within %s: no daemon answered\nplumbline doctor says what works", timeout)}
	}
	if err := a.printGate(document); err != nil {
		return err
	}
	return &exit{exitTimeout, fmt.Errorf("not decided within %s", timeout)}
}

// decided asks until the gate is open or closed, or once. The document is the last that came.
func (a *app) decided(ctx context.Context, b *bus.Bus, service string, c plumbline.Color, q question, wait bool) (document plumbline.Gate, err error) {
	for {
		answer, err := ask(ctx, b, service, c, q)
		switch {
		case err != nil && (!wait || codeFor(err) == exitUsage):
			return document, err
		case err == nil && (!wait || answer.Gate != plumbline.GateWaiting):
			return answer, nil
		case err == nil:
			document = answer
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return document, context.Cause(ctx)
		}
	}
}

// askAgain is how long a command waits between two questions to a gate.
const askAgain = 500 * time.Millisecond

func codeFor(err error) int {
	var e *exit
	if errors.As(err, &e) {
		return e.code
	}
	return 0
}

// ask puts the question once.
func ask(ctx context.Context, b *bus.Bus, service string, color plumbline.Color, q question) (plumbline.Gate, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return plumbline.Gate{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	answer, err := b.AskGate(bounded, service, string(color), body)
	var refused *bus.GateError
	if errors.As(err, &refused) {
		return plumbline.Gate{}, usagef("%s", refused.Text)
	}
	if err != nil {
		return plumbline.Gate{}, unknownf("%w\nplumbline doctor says what works; plumbline serve starts a daemon", err)
	}
	var document plumbline.Gate
	if err := json.Unmarshal(answer, &document); err != nil || document.Schema != plumbline.GateSchema {
		return plumbline.Gate{}, unknownf("the gate of %s %s answered something that is no gate document", service, color)
	}
	return document, nil
}

// sayGate prints the document; only an open gate is no error.
func (a *app) sayGate(g plumbline.Gate) error {
	if err := a.printGate(g); err != nil {
		return err
	}
	if g.Gate == plumbline.GateOpen {
		return nil
	}
	return silent(exitFail)
}

func (a *app) printGate(g plumbline.Gate) error {
	if a.format == "json" {
		return writeJSON(a.Out, g)
	}
	s := a.style()
	word := s.Bold(s.Red("CLOSED"))
	switch g.Gate {
	case plumbline.GateOpen:
		word = s.Bold(s.Green("OPEN"))
	case plumbline.GateWaiting:
		word = s.Bold(s.Yellow("WAITING"))
	}
	fmt.Fprintf(a.Out, "%s  %s  %s\n", word, s.Bold(term.Line(fmt.Sprintf("%s %s %s", g.Service, g.Color, g.Release))),
		s.Dim(term.Line(fmt.Sprintf("%s · %s", g.Purpose, g.Because))))
	fmt.Fprintf(a.Out, "  %s\n", strings.Join(fit(a.Out, g.Reason, 2), "\n  "))
	if g.Warning != "" {
		const mark = "warning:"
		fmt.Fprintf(a.Out, "  %s %s\n", s.Yellow(mark), strings.Join(fit(a.Out, g.Warning, len(mark)+5), "\n    "))
	}
	if g.Advice == plumbline.AdviceRollback {
		fmt.Fprintf(a.Out, "  %s\n", s.Red(adviceText))
	}
	for _, next := range g.Next {
		fmt.Fprintf(a.Out, "  %s %s\n", s.Cyan("next:"), term.Line(next))
	}
	return nil
}
