"""Layout check of a page, asked in the browser: no scrolling sideways, no cut, tiny or broken text."""

from __future__ import annotations

LAYOUT = """(() => {
    const faults = [];
    const say = (fault, one) => faults.push(`${fault}: ${(one.textContent || "").trim().slice(0, 60)}`);
    const page = document.documentElement;
    if (page.scrollWidth > innerWidth) faults.push(`the page scrolls sideways: ${page.scrollWidth} px`);
    const header = document.querySelector("header").offsetHeight / innerHeight;
    if (header > 0.12) faults.push(`the header takes ${Math.round(100 * header)} % of the screen`);
    for (const one of document.querySelectorAll(".scroll")) {
        if (one.scrollWidth > one.clientWidth) say("a table scrolls sideways", one);
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    const words = /(?<!\\S)\\S{2,20}(?!\\S)/g;
    while (walker.nextNode()) {
        const node = walker.currentNode, one = node.parentElement;
        if (!node.data.trim() || one.closest("title, .skip, script, datalist, option")) continue;
        if (!one.checkVisibility({ checkVisibilityCSS: true })) continue;
        range.selectNodeContents(node);
        const box = range.getBoundingClientRect();
        if (!box.width) continue;
        const drawn = one.ownerSVGElement ? one.getScreenCTM().a : 1;
        if (parseFloat(getComputedStyle(one).fontSize) * drawn < 11) say("text under 11 px", one);
        for (let around = one; around && around !== document.body; around = around.parentElement) {
            const style = getComputedStyle(around);
            if (around.matches(".scroll, .preview")) break;  // scrolls on its own; shows its first lines
            const cut = around.getBoundingClientRect();
            if (style.overflowX !== "visible" && around.clientWidth
                && (box.right > cut.right + 1 || box.left < cut.left - 1)) say("text is cut", one);
        }
        const off = box.right > innerWidth + 1 || box.left < -1;
        if (off && !one.closest(".scroll")) say("text is off the screen", one);
        if (!one.closest("td, th, button, .button, dt, summary, nav") || one.closest("code")) continue;
        for (const word of node.data.matchAll(words)) {
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const lines = new Set(Array.from(range.getClientRects(), (line) => Math.round(line.top)));
            if (lines.size > 1) say(`a break inside the word ${word[0]}`, one);
        }
    }
    for (const drawing of document.querySelectorAll("figure svg")) {
        const texts = Array.from(drawing.querySelectorAll("text"), (one) => one.getBoundingClientRect());
        texts.forEach((a, n) => texts.slice(n + 1).forEach((b) => {
            if (a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom)
                faults.push("labels of the chart lie on each other");
        }));
    }
    return faults;
})()"""
