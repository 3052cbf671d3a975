package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/internal/term"
)

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [SERVICE]",
		Short: "services, colors, roles, releases, last verdicts, gates, rollback readiness",
		Args:  atMostOne("SERVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.look(cmd.Context(), func(ctx context.Context, b *bus.Bus) (err error) {
				services := args
				if len(args) == 0 {
					if services, err = b.Services(ctx); err != nil {
						return unanswered("the services of the bus", err)
					}
				}
				return a.status(ctx, b, services)
			})
		},
	}
	a.formats(cmd, "pretty", "json")
	return cmd
}

// A serviceView is what status says of one service. A gate that nobody could answer is absent.
type serviceView struct {
	Service   string                             `json:"service"`
	Record    plumbline.Record                   `json:"record"`
	Gates     map[plumbline.Color]plumbline.Gate `json:"gates"`
	Readiness string                             `json:"rollback_readiness"`
	Unknown   string                             `json:"unknown,omitempty"` // why gates are absent
}

func (a *app) status(ctx context.Context, b *bus.Bus, services []string) error {
	views, unknown := []serviceView{}, false
	for _, service := range services {
		record, err := known(ctx, b, service)
		if err != nil {
			return err
		}
		view := viewOf(ctx, b, record)
		unknown = unknown || view.Unknown != ""
		views = append(views, view)
	}
	if a.format == "json" {
		if err := writeJSON(a.Out, views); err != nil {
			return err
		}
	} else {
		a.printStatus(views)
	}
	if unknown {
		return &exit{exitUnknown, errors.New("no daemon answers for the gates: plumbline serve starts one")}
	}
	return nil
}

func viewOf(ctx context.Context, b *bus.Bus, record plumbline.Record) serviceView {
	v := serviceView{Service: record.Service, Record: record, Gates: map[plumbline.Color]plumbline.Gate{}, Readiness: plumbline.NotReady}
	for _, color := range plumbline.Colors() {
		purpose := plumbline.PurposePromote
		standby := record.RoleAt(color, time.Now()) == plumbline.RoleStandby
		if standby {
			purpose = plumbline.PurposeRollback
		}
		gate, err := ask(ctx, b, record.Service, color, question{Purpose: purpose})
		if err != nil {
			v.Unknown = err.Error()
			return v
		}
		v.Gates[color] = gate
		if standby {
			v.Readiness = gate.Readiness
		}
	}
	return v
}

func (a *app) printStatus(views []serviceView) {
	if len(views) == 0 {
		fmt.Fprintln(a.Out, "no service: a daemon makes the records of its services when it is started or reloaded")
		return
	}
	s, now := a.style(), time.Now()
	for i, v := range views {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		fmt.Fprintf(a.Out, "%s  %s\n", s.Bold(term.Line(v.Service)), readiness(v, s))
		rows := [][]string{{"color", "role", "release", "last verdict", "gate", "why"}}
		for _, color := range plumbline.Colors() {
			rows = append(rows, statusRow(v, color, now))
		}
		printWhole(a.Out, s.Dim, rows, func(row, column int, text string) string {
			switch {
			case column == 1 && text == string(plumbline.RoleLive), column == 4 && text == string(plumbline.GateOpen):
				return s.Green(text)
			case column == 4 && text == string(plumbline.GateWaiting):
				return s.Yellow(text)
			case column == 4 && row > 0:
				return s.Red(text)
			}
			return text
		})
	}
}

// readiness says whether there is a way back.
func readiness(v serviceView, s term.Style) string {
	switch {
	case v.Unknown != "":
		return s.Red("rollback readiness unknown")
	case v.Readiness == plumbline.Ready:
		return s.Green("rollback ready")
	case v.Readiness == plumbline.AtRisk:
		return s.Yellow("rollback at risk")
	}
	return s.Dim("rollback not ready")
}

func statusRow(v serviceView, color plumbline.Color, now time.Time) []string {
	state := v.Record.Colors[color]
	last := lastVerdict(state, v.Record.RoleAt(color, now), now)
	if n := len(state.Pending); n > 0 {
		last += fmt.Sprintf(", %d running", n)
	}
	release, role := state.Release.String(), string(v.Record.RoleAt(color, now))
	if release == "" {
		release = "–"
	}
	if role == "" {
		role = "unknown"
	}
	gate, known := v.Gates[color]
	if !known {
		return []string{string(color), role, release, last, "unknown", ""}
	}
	return []string{string(color), role, release, last, string(gate.Gate), why(gate)}
}

// why is what a gate says of itself, with what a gate that is open warns of.
func why(g plumbline.Gate) string {
	text := g.Reason
	if g.Warning != "" {
		text += "; warning: " + g.Warning
	}
	if g.Advice == plumbline.AdviceRollback {
		text += "; " + adviceText
	}
	return text
}

const adviceText = "advice: rollback: the live color fails its checks"

// lastVerdict says what a verdict that no longer counts was about.
func lastVerdict(state plumbline.ColorState, role plumbline.Role, now time.Time) string {
	if state.Last == nil {
		return "–"
	}
	detail := fmt.Sprintf("%s, %s", state.Last.Trigger, ago(state.Last.FinishedAt, now))
	if _, about := state.LastAs(role); about != "" {
		detail += ", " + about
	}
	return fmt.Sprintf("%s (%s)", state.Last.Outcome, detail)
}

func (a *app) runsCommand() *cobra.Command {
	var n int
	cmd := &cobra.Command{
		Use:   "runs [SERVICE]",
		Short: "the last runs and how they ended",
		Args:  atMostOne("SERVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.look(cmd.Context(), func(ctx context.Context, b *bus.Bus) error {
				service := strings.Join(args, "")
				if service != "" {
					if _, err := known(ctx, b, service); err != nil {
						return err
					}
				}
				verdicts, err := b.Verdicts(ctx, service, n)
				if err != nil {
					return unanswered("the verdicts of the bus", err)
				}
				return a.printRuns(verdicts)
			})
		},
	}
	lastFlag(cmd, &n)
	a.formats(cmd, "pretty", "json")
	return cmd
}

// lastFlag bounds a list.
func lastFlag(cmd *cobra.Command, n *int) {
	*n = 20
	cmd.Flags().Var((*positive)(n), "last", "`NUMBER` of them, the latest first")
}

// A positive is a flag that counts something.
type positive int

func (p *positive) String() string { return strconv.Itoa(int(*p)) }
func (p *positive) Type() string   { return "int" }
func (p *positive) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return errors.New("want a number from 1")
	}
	*p = positive(n)
	return nil
}

func (a *app) printRuns(verdicts []plumbline.Verdict) error {
	if a.format == "json" {
		if verdicts == nil {
			verdicts = []plumbline.Verdict{}
		}
		return writeJSON(a.Out, verdicts)
	}
	if len(verdicts) == 0 {
		fmt.Fprintln(a.Out, "no runs yet")
		return nil
	}
	s, rows := a.style(), [][]string{{"run", "outcome", "service", "color", "release", "trigger", "when", "why"}}
	for _, v := range verdicts {
		rows = append(rows, []string{v.Run, v.Outcome, v.Service, string(v.Color), v.Release.Version, string(v.Trigger),
			ago(v.FinishedAt, time.Now()), v.Reason})
	}
	printTable(a.Out, s.Dim, rows, func(_, column int, text string) string {
		switch {
		case column == 1 && text == plumbline.Pass:
			return s.Green(text)
		case column == 1:
			return s.Red(text)
		}
		return text
	})
	return nil
}
