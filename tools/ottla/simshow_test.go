package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ottla.dev/sim/check"
	"ottla.dev/sim/fault"
)

// browse returns the page as a real browser has it in the end, after a script.
func browse(t *testing.T, page, hash, script string) string {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil || testing.Short() {
		t.Skip("no chromium to draw it, or no time")
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tried := filepath.Join(t.TempDir(), "tried.html")
	changed := strings.Replace(string(text), "</body>", "<script>"+script+"</script></body>", 1)
	if err := os.WriteFile(tried, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	dom, err := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900",
		"--user-data-dir="+t.TempDir(), "--dump-dom", "file://"+tried+hash).Output()
	if err != nil {
		t.Fatalf("the browser: %v", err)
	}
	_, attributes, _ := strings.Cut(string(dom), "<body ")
	attributes, _, _ = strings.Cut(attributes, ">")
	if strings.Contains(attributes, "data-error") || !strings.Contains(attributes, "data-drawn") {
		t.Errorf("the browser has not drawn it: %s", attributes)
	}
	return attributes
}

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
		if part.Name == "t1-0" && (part.Most < 5 || len(part.Leads) == 0 || len(part.Marks) != 2 ||
			len(part.Leads[0].ISR) == 0) {
			t.Errorf("%+v", part)
		}
	}
	history, err := os.ReadFile(filepath.Join(filepath.Dir(page), "picture-history.html"))
	if err != nil || p.History != "picture-history.html" || p.HistoryOf != "t1-0, appends" || p.HistoryIllegal ||
		!strings.Contains(string(history), "append -") {
		t.Errorf("%v: Porcupine's picture %q of %q", err, p.History, p.HistoryOf)
	}
	for _, outside := range []string{"src=", "http://", "https://", "@import", "url("} {
		if strings.Contains(string(text), outside) {
			t.Errorf("the page needs something else: %s", outside)
		}
	}
	want := fmt.Sprintf("data-drawn=\"%d lanes, %d messages", len(p.Lanes), len(p.Messages))
	if got := browse(t, page, "", ""); !strings.Contains(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}

// lines of a simulation in which a consumer of node 1 gets a record that is not committed: node 0 leads and has told
// node 1 of it; what client 1 is told comes too late to matter, and t0-0 has nothing to do with it.
const failingTrace = `10 state node=0 part=t1-0 leads epoch=3 isr=0,1 hw=4 end=4
20 state node=1 part=t1-0 follows epoch=3 hw=4 end=4
100 c0->0 Produce acks=-1 part=t1-0 bytes=80 took=50µs
101 state node=0 part=t1-0 leads epoch=3 isr=0,1 hw=4 end=5
110 c1->0 Produce acks=-1 part=t0-0 bytes=80 took=5µs
150 1->0 Fetch took=20µs
200 0->1 Fetch answer part=t1-0 hw=4 bytes=80 took=20µs
201 state node=1 part=t1-0 follows epoch=3 hw=5 end=5
240 c1->1 Fetch part=t1-0 epoch=3 from=4 took=10µs
300 0->1 Fetch answer part=t1-0 hw=4 bytes=0 took=150µs
310 1->c1 Fetch answer part=t1-0 hw=5 bytes=80 took=10µs
310 1->c0 Fetch answer part=t1-0 hw=5 bytes=80 took=1µs`

func failingPicture(t *testing.T) *picture {
	t.Helper()
	p := newPicture(fault.DrawCluster(940000, 2), "seed 940000")
	for line := range strings.Lines(failingTrace) {
		p.line([]byte(line))
	}
	p.finish(&check.Failure{Class: check.Correctness, Check: "above-high-watermark", At: 310 * time.Microsecond,
		Text: "broker 2: t1-0: client 1 fetched offset 4 with a high watermark of 4"}, 310*time.Microsecond)
	return p
}

func TestWhatLedToAFailureIsMarked(t *testing.T) {
	p := failingPicture(t)
	if f := p.Failed; len(f.Parts) != 1 || f.Parts[0] != "t1-0" || len(f.Lanes) < 2 || f.Lanes[0] != 1 ||
		len(f.Offsets) != 1 {
		t.Errorf("%+v", f)
	}
	var got []string
	for _, s := range p.Steps {
		mark := ""
		if s.Hot {
			mark = "*"
		}
		got = append(got, fmt.Sprint(s.At, mark))
	}
	want := "10* 20* 100 101* 150 200* 201 240* 310 310"
	if strings.Join(got, " ") != want {
		t.Errorf("steps at %v, want %s\n%+v", got, want, p.Steps)
	}
}

func TestAPictureShowsThatNobodyLeads(t *testing.T) {
	p := newPicture(fault.DrawCluster(940000, 2), "seed 940000")
	for _, line := range []string{"10 state node=0 part=t1-0 leads epoch=3 isr=0,1 hw=4 end=4",
		"20 state node=1 part=t1-0 follows epoch=3 hw=4 end=4", "30 state node=0 part=t1-0 follows epoch=4 hw=4 end=4",
		"40 state node=1 part=t1-0 leads epoch=5 isr=1 hw=4 end=4", "50 stop node=1 crash pending=0"} {
		p.line([]byte(line))
	}
	var got []string
	for _, l := range p.Parts[0].Leads {
		got = append(got, fmt.Sprint(l.At, ":", l.Node))
	}
	if want := "10:0 30:-1 40:1 50:-1"; strings.Join(got, " ") != want {
		t.Errorf("leaders %v, want %s", got, want)
	}
}

// What is clicked, hovered over and zoomed into in a browser.
func TestAPictureIsLookedAtInABrowser(t *testing.T) {
	p := failingPicture(t)
	text, err := p.page()
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "failed.html")
	if err := os.WriteFile(page, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got := browse(t, page, "", `
		const box = canvas.getBoundingClientRect(), said = document.body.dataset;
		const event = (kind, type, px, py, more) => canvas.dispatchEvent(new type(kind, { clientX: box.left + px,
			clientY: box.top + py, bubbles: true, cancelable: true, ...more }));
		const whole = to - from;
		event("wheel", WheelEvent, x(200), 50, { deltaY: -400 });
		said.zoomed = to - from < whole / 2 && from < 200 && to > 200;
		$("all").click();
		const m = data.messages.find(m => m.text.startsWith("Fetch answer") && m.matter);
		event("pointermove", PointerEvent, x((m.from + m.to) / 2), (laneY(m.a) + laneY(m.b)) / 2);
		said.tip = $("tip").style.display + ": " + $("tip").textContent;
		$("steps").rows[3].click();
		said.marked = mark + " " + (from < mark && mark < to);
		said.rows = $("steps").rows.length;`)
	for _, want := range []string{`data-zoomed="true"`, `data-tip="block: `,
		"node 0, broker 1 → node 1, broker 2  Fetch answer part=t1-0",
		`data-marked="101 true"`, fmt.Sprintf(`data-rows="%d"`, len(p.Steps)+1)} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if got := browse(t, page, "#at=0.0002,0.0001", ""); !strings.Contains(got, `data-view="150-250"`) {
		t.Errorf("the place in the address is not shown: %s", got)
	}
}
