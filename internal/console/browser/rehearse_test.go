package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// A failover is watched to its end, and saved as a test.
func TestRehearse(t *testing.T) {
	c := start(t, settings{})
	w := open(t, c.url, 1280, 900)
	w.ready(1)
	w.click("nav a", "Rehearse")
	w.waitText(".verdict", "nothing is broken")
	w.fill("Load", "500")
	w.wait(`Number(document.querySelector(".promises dd").textContent.replaceAll(" ", "")) > 300`)
	w.wait(`document.querySelector(".stage path.read").getAttribute("d").includes("L")`)

	w.click(".node button", "Kill")
	w.waitText(".state", "dead")
	w.waitText(".verdict", "1 fault on")
	w.waitText(".events", "kill 127.0.0.1")
	w.waitText(".events", "has noticed that")
	w.click("nav a", "Overview")
	w.waitText(".verdict", "WARN  1 node lost")
	w.waitText(".events", "moved from")
	w.key("gh")
	w.click(".node button", "Revive")
	w.waitText(".verdict", "nothing is broken")
	w.wait(`document.querySelectorAll(".promises dd")[2].textContent === "0"`)

	w.fill("Whose links", "allSilent")
	w.click(".node button", "Cut links")
	w.waitText(".state", "cut off from all, silently")
	w.waitText(".events", "cut 127.0.0.1")
	w.waitText(".events", "does not reach 127.0.0.1")
	w.click(".node button", "Mend links")
	w.waitText(".verdict", "nothing is broken")
	w.wait(`document.querySelectorAll(".promises dd")[2].textContent === "0"`)

	for _, step := range [][2]string{{"Hang", "hangs"}, {"Slow down", "200 ms late"}, {"Fill disk", "disk full"}} {
		w.click(".node button", step[0])
		w.waitText(".state", step[1])
	}
	w.click(".step button", "Answer errors")
	w.waitText(".events", "answer 20 % of the requests to console_load with ERR_BUSY")
	w.click(".step button", "Throttle")
	w.waitText(".events", "reject what is more than 5 writes a second")
	w.waitText(".verdict", "5 faults on")
	w.wait(`[...document.querySelectorAll("td.mono")].some((e) => e.textContent.startsWith("ERR_") || e.textContent === "timeout")`)
	// An input without a number is none for 0, which would end the errors.
	w.fill("Percent of the requests", "")
	w.click(".step button", "Answer errors")
	w.wait(`document.activeElement.getAttribute("aria-label") === "Percent of the requests"`)
	w.click(".node button", "Make room")
	w.waitText(".verdict", "4 faults on")
	w.fill("Percent of the requests", "20")
	w.run(chromedp.Evaluate(`document.activeElement.blur()`, nil))
	w.key("go")
	w.key("h")
	w.waitText(".toast", "Everything is healed.")
	w.key("gh")
	w.waitText(".verdict", "nothing is broken")

	w.click(".step button", "Move its primary")
	w.waitText(".events", "move the primary of console_load 0")
	w.click(".step button", "No primary")
	w.waitText(".events", "leave console_load 0 without a primary")
	w.waitText(".verdict", "1 fault on")
	w.click(".step button", "Move its primary")
	w.click(".step button", "Put the clock forward")
	w.waitText(".step .note", "it is 01:00:00 ahead")
	w.click(".step button", "Split the table")
	w.waitText(".events", "split console_load")
	w.wait(`document.querySelectorAll(".promises dd")[2].textContent === "0"`)

	w.click("button", "Save as Go test")
	var source string
	w.waitText("dialog pre", "TestRehearsed")
	w.run(chromedp.Text("dialog pre", &source))
	for _, want := range []string{".Stop()", "box.Failover(", ".Start())", ".Pause()", ".FillDisk(true)", ".Cut(onebox.Cut{Silent: true, Meta: true})", ".Mend())", `errorShare{20, "ERR_BUSY", "console_load"}`, "box.MovePrimary(", "c.AdvanceClock(3600 * time.Second)", `box.Split("console_load")`} {
		if !strings.Contains(source, want) {
			t.Errorf("the test lacks %s:\n%s", want, source)
		}
	}
	w.click("dialog button", "Close")
	w.click("button", "Forget the steps")
	w.waitText(".tools .note", "0 steps")
	w.click(".node button", "Kill")
	w.waitText(".tools .note", "1 step")
	w.wait(`[...document.querySelectorAll("button")].find((b) => b.textContent === "Forget the steps").disabled`)
	w.click("button", "Run again")
	w.waitText(".events", "the replay is over")
	w.key("h")
	w.waitText(".verdict", "nothing is broken")

	// While steps are made again there are no others.
	w.click(".step button", "Put the clock forward")
	w.waitText(".tools .note", "3 steps")
	w.click("button", "Run again")
	w.wait(`document.querySelector("fieldset.nodes").disabled`)
	w.wait(`!document.querySelector("fieldset.nodes").disabled`)
	w.key("h")
	w.waitText(".verdict", "nothing is broken")
	w.fill("Load", "0")
	w.waitText(".promises dd", "-")
}
