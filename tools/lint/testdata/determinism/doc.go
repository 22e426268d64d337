// Package determinism breaks every rule of the determinism check once, with the message it must give.
package determinism
