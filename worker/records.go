package worker

import (
	"context"

	"github.com/plumbline-dev/plumbline"
)

// Records changes records by compare-and-set, over the bus, and remembers what it wrote.
type Records struct {
	Memory     *Memory
	Load       func(ctx context.Context, service string) (plumbline.Record, uint64, error)
	Create     func(ctx context.Context, record plumbline.Record) (uint64, error)
	Update     func(ctx context.Context, record plumbline.Record, revision uint64) (uint64, error)
	IsConflict func(error) bool // somebody else wrote first
	IsMissing  func(error) bool // there is no record yet
}

// Ensure creates the first record of a service, where there is none.
func (r Records) Ensure(ctx context.Context, first plumbline.Record) error {
	record, revision, err := r.Load(ctx, first.Service)
	if err != nil && r.IsMissing(err) {
		record = first
		revision, err = r.Create(ctx, first)
		if err != nil && r.IsConflict(err) {
			record, revision, err = r.Load(ctx, first.Service)
		}
	}
	if err != nil {
		return err
	}
	r.Memory.Set(record, revision)
	return nil
}

// Exists says whether a service has a record. One that isn't known here is looked up on the bus.
func (r Records) Exists(ctx context.Context, service string) (bool, error) {
	if _, _, known := r.Memory.Get(service); known {
		return true, nil
	}
	_, _, err := r.Load(ctx, service)
	if err != nil && r.IsMissing(err) {
		return false, nil
	}
	return err == nil, err
}

// Change applies f to the newest record until the result could be written, and returns it. f may be called several
// times; when it says that nothing is to be changed, nothing is written.
func (r Records) Change(ctx context.Context, service string, f func(plumbline.Record) (plumbline.Record, bool)) (plumbline.Record, error) {
	record, revision, known := r.Memory.Get(service)
	for {
		if !known {
			var err error
			if record, revision, err = r.Load(ctx, service); err != nil {
				return plumbline.Record{}, err
			}
			r.Memory.Set(record, revision)
		}
		next, changed := f(record)
		if !changed {
			return record, nil
		}
		written, err := r.Update(ctx, next, revision)
		switch {
		case err == nil:
			r.Memory.Set(next, written)
			return next, nil
		case !r.IsConflict(err):
			return plumbline.Record{}, err
		case ctx.Err() != nil:
			return plumbline.Record{}, context.Cause(ctx)
		}
		known = false // somebody wrote in between: the bus knows better
	}
}
