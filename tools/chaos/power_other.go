//go:build unix && !linux

package chaos

import (
	"context"
	"errors"
)

type disk struct{}

// CanCutPower says why power cuts cannot be tested here.
func CanCutPower() error { return errors.New("power cuts need Linux") }

func (r *run) makeDisks() error                  { return CanCutPower() }
func (r *run) removeDisks()                      {}
func (r *run) powerRounds(context.Context) error { return CanCutPower() }
