//go:build !linux

package main

import (
	"errors"
	"os"
	"os/exec"
)

func endWithParent(*exec.Cmd) {}

func dropPages(*os.File) error { return errors.New("only Linux lets one drop pages") }

func touchMemory(int) error { return nil }

func writeBack() {}
