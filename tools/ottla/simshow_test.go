package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestAPictureHasWhatHappened(t *testing.T) {
	page := filepath.Join(t.TempDir(), "picture.html")
	o := simOptions{brokers: 1}
	var out strings.Builder
	if err := o.show("../../sim/testdata/plans/canary.plan", page, &out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), `<script id="data" type="application/json">`)
	data, _, ok := strings.Cut(rest, "</script>")
	var p picture
	if err := json.Unmarshal([]byte(data), &p); err != nil || !ok {
		t.Fatalf("%v\n%.200s", err, data)
	}
	if p.Machines != 2 || len(p.Lanes) != 2+2+1 || len(p.Messages) < 100 || p.Failed != nil || len(p.Bands) == 0 {
		t.Errorf("%d machines, lanes %q, %d messages, %d bands", p.Machines, p.Lanes, len(p.Messages), len(p.Bands))
	}
	for _, part := range p.Parts {
		if part.Name == "t1-0" && (part.Most < 5 || len(part.Leads) == 0 || len(part.Marks) != 2) {
			t.Errorf("%+v", part)
		}
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("no chromium to draw it")
	}
	dom, err := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "file://"+page).Output()
	want := "data-drawn=\"" + strconv.Itoa(len(p.Lanes)) + " lanes, "
	if err != nil || !strings.Contains(string(dom), want) {
		t.Errorf("%v: the browser has not drawn it", err)
	}
}
