package check

import "time"

// Class says what kind of promise was broken. The numbers are exit codes.
type Class int

// The classes.
const (
	Assertion   Class = 127 // the core's own invariants
	Liveness    Class = 128 // something does not come to its end
	Correctness Class = 129 // something wrong was said or kept
)

// String gives the class's name.
func (c Class) String() string {
	switch c {
	case Assertion:
		return "assertion"
	case Liveness:
		return "liveness"
	case Correctness:
		return "correctness"
	}
	return "class?"
}

// Failure is a broken promise.
type Failure struct {
	Class Class
	Check string // the invariant's name
	Text  string
	At    time.Duration // in virtual time
}

// Error gives the failure in a line.
func (f *Failure) Error() string {
	return f.Class.String() + " " + f.Check + " at " + f.At.String() + ": " + f.Text
}

// Fail takes a failure.
type Fail func(class Class, check, text string)
