package main

import (
	"context"
	"fmt"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/sandbox"
)

// halted: a release with an empty catalogue and a broken credential fails, and traffic stays.
func (s *story) halted(ctx context.Context) error {
	s.log.say("plum", "blue is live with %s, green is idle, users are ordering", firstVersion)
	v, err := s.release(ctx, plumbline.Green, badVersion, sandbox.Faults{EmptyCatalogue: true, BrokenWorkdayCredential: true})
	if err != nil {
		return err
	}
	return s.stays(ctx, v, plumbline.AttributedRelease, "it is the release, blue passes the same")
}

// outage: Workday is down for both colors. The release is held back, and isn't blamed.
func (s *story) outage(ctx context.Context) error {
	if err := s.sandbox.SetProviderDown("workday", true); err != nil {
		return err
	}
	s.log.say("trouble", "Workday is down, for both colors")
	v, err := s.release(ctx, plumbline.Green, goodVersion, sandbox.Faults{})
	if err != nil {
		return err
	}
	return s.stays(ctx, v, plumbline.AttributedShared, "it is not the release, blue fails the same way")
}

// stays wants a verdict to be a fail that is somebody's fault, and traffic where it was.
func (s *story) stays(ctx context.Context, v plumbline.Verdict, whose plumbline.Attribution, said string) error {
	if v.Passed() || v.Cause != plumbline.CauseChecks || v.Attribution != whose {
		return fmt.Errorf("%s is %s, attributed as %s (%s), want a fail attributed as %s", v.Release.Version, v.Outcome, v.Attribution, v.Reason, whose)
	}
	gate, err := s.decided(ctx, plumbline.Green, v.Release.Version)
	if err != nil {
		return err
	}
	if gate.Gate != plumbline.GateClosed || s.sandbox.Switch.Live() != plumbline.Blue {
		return fmt.Errorf("the gate is %s and %s is live, want closed and blue", gate.Gate, s.sandbox.Switch.Live())
	}
	s.log.say("halted", "the gate of green is closed, traffic stays on blue: %s", said)
	return nil
}

// recovered: Workday is back, and the release that was held back passes when it is asked again.
func (s *story) recovered(ctx context.Context) error {
	if err := s.sandbox.SetProviderDown("workday", false); err != nil {
		return err
	}
	s.log.say("relief", "Workday is back: green is asked again")
	v, err := s.ask(ctx, plumbline.Event{Kind: plumbline.EventRequested, Color: plumbline.Green, Reason: "Workday is back"})
	if err != nil {
		return err
	}
	if !v.Passed() {
		return fmt.Errorf("%s failed, want a pass: %s", goodVersion, v.Reason)
	}
	if err := s.moved(ctx, plumbline.Green); err != nil {
		return err
	}
	return s.askedAgain(ctx, plumbline.Green)
}

// promoted: a good release passes, traffic moves, and the new live color is asked again.
func (s *story) promoted(ctx context.Context) error {
	if err := s.releaseAndMove(ctx, plumbline.Green, goodVersion); err != nil {
		return err
	}
	return s.askedAgain(ctx, plumbline.Green)
}

// askedAgain waits until the color that traffic moved to was asked once more, and passed.
func (s *story) askedAgain(ctx context.Context, color plumbline.Color) error {
	_, err := s.await(ctx, color, plumbline.TriggerSwitched, true)
	return err
}

// standby: the old color is asked at once, and again by the clock.
func (s *story) standby(ctx context.Context) error {
	for range 2 {
		if _, err := s.await(ctx, plumbline.Blue, plumbline.TriggerStandby, true); err != nil {
			return err
		}
	}
	s.log.say("standby", "blue was asked again by the clock: a rollback to %s would take seconds", firstVersion)
	return nil
}

// promotedAgain: the next release goes onto the former standby.
func (s *story) promotedAgain(ctx context.Context) error {
	if err := s.releaseAndMove(ctx, plumbline.Blue, nextVersion); err != nil {
		return err
	}
	if err := s.askedAgain(ctx, plumbline.Blue); err != nil {
		return err
	}
	_, err := s.await(ctx, plumbline.Green, plumbline.TriggerStandby, true)
	return err
}

// rolledBack: the live color turns slow, a run finds it, and the switch follows the advice.
func (s *story) rolledBack(ctx context.Context) error {
	if err := s.sandbox.Blue.SetFaults(sandbox.Faults{Slow: sandbox.Wait(storySlow)}); err != nil {
		return err
	}
	s.log.say("trouble", "blue turns slow under its users")
	v, err := s.ask(ctx, plumbline.Event{Kind: plumbline.EventRequested, Color: plumbline.Blue, Reason: "users say it is slow"})
	if err != nil {
		return err
	}
	if v.Passed() {
		return fmt.Errorf("the slow live color passed, want a fail")
	}
	return s.moved(ctx, plumbline.Green)
}

// enoughUsers waits until the users have asked often enough for a zero to mean something.
func (s *story) enoughUsers(ctx context.Context) error {
	if _, err := s.await(ctx, plumbline.Green, plumbline.TriggerSwitched, true); err != nil {
		return err
	}
	for s.sandbox.Traffic.Stats().Sent < leastRequests {
		if err := rest(ctx); err != nil {
			return err
		}
	}
	return nil
}
