"""What a copied address, a language, a theme and another window bring along."""

from __future__ import annotations

from playwright.sync_api import expect
from texts import TEXT, WEIGHTS

import limelight as ll


def test_a_copied_address_opens_the_same_view(new_tab, board):
    tab = new_tab()
    run = ll.open_run(board.logdir / TEXT)
    step = int(run.steps[-2])
    tab.open()
    tab.run(TEXT).click()
    tab.ready().press("[")
    tab.examples.nth(2).click()
    tab.ready().press("ArrowDown", "ArrowRight")
    tab.choose("scale", "log")
    tab.map.click(position=tab.spot(4, 1))
    tab.ready()
    tab.click("中文")
    assert tab.page.url.startswith(f"{board.address}/")
    other = new_tab().go(tab.page.url)
    assert other.page.url == tab.page.url
    expect(other.chosen_run).to_have_text(TEXT)
    expect(other.slider).to_have_attribute("aria-valuetext", f"第 {step} 步")
    expect(other.examples.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(other.inside.locator(".chosen h2")).to_have_text("layer_1 · 头 1")
    assert other.said(4, 1) == float(run.weights("layer_1", step).values[2, 1, 4, 1])
    expect(other.legend).to_contain_text("对数")
    expect(other.root).to_have_attribute("lang", "zh-CN")
    assert other.pixels(other.map) == tab.pixels(tab.map)


def test_a_link_pasted_into_the_open_page_is_heeded(tab):
    tab.open(run=TEXT)
    url = tab.page.url.split("#")[0]
    tab.page.evaluate("hash => { location.hash = hash }", "limelight&p.limelight.page=weights")
    expect(tab.inside.locator("figure canvas").first).to_be_visible()
    assert tab.page.url.startswith(url)


def test_garbled_addresses_open_the_usual_view(tab):
    tab.open(step="x", head=99, example=12, site="no/such", query=10**9, key=3, scale="loud")
    assert tab.colours(tab.map) > 10
    expect(tab.readout).to_contain_text("Point at a row")


def test_chinese_is_chosen_and_remembered(new_tab):
    tab = new_tab().open(run=TEXT)
    expect(tab.root).to_have_attribute("lang", "en")
    tab.click("中文")
    expect(tab.root).to_have_attribute("lang", "zh-CN")
    for text in ("注意力", "运行", "样本", "颜色", "标度", "这个头", "跟随"):
        tab.see(text)
    later = new_tab(beside=tab).open(run=TEXT)
    assert "language" not in later.fragment
    expect(later.root).to_have_attribute("lang", "zh-CN")
    later.click("权重")
    later.see("分位数随步变化")
    later.click("English")
    expect(later.root).to_have_attribute("lang", "en")


def test_a_chinese_browser_is_spoken_to_in_chinese(new_tab):
    tab = new_tab(locale="zh-CN").open(run=WEIGHTS, page="parameters")
    expect(tab.root).to_have_attribute("lang", "zh-CN")
    tab.see("分位数随步变化")


def is_dark(tab):
    """Whether the ground is dark and the text on it light."""
    ground, text = tab.inside.locator("#limelight").evaluate(
        """root => {
          const light = colour => {
            const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
            return a === 0 ? null : (r + g + b) / 765;
          };
          const style = one => getComputedStyle(one);
          const grounds = [root, document.body, document.documentElement].map(
            one => light(style(one).backgroundColor)).filter(one => one !== null);
          return [grounds[0], light(style(root).color)];
        }"""
    )
    return ground < 0.3 and text > 0.6


def test_tensorboards_own_switch_makes_the_tab_dark(new_tab):
    tab = new_tab().open(run=TEXT)
    assert not is_dark(tab)
    light = tab.pixels(tab.map)
    tab.page.get_by_label("Menu for changing light or dark theme").click()
    tab.page.get_by_role("menuitemradio", name="Dark").or_(
        tab.page.get_by_role("menuitem", name="Dark")
    ).click()
    expect(tab.root).to_have_attribute("data-theme", "dark")
    assert is_dark(tab.ready())
    assert tab.pixels(tab.map) != light  # labels are of another ink


def test_a_dark_tensorboard_opens_a_dark_tab(new_tab, board):
    tab = new_tab().go(f"{board.address}/?darkMode=true#limelight&p.limelight.page=weights")
    expect(tab.root).to_have_attribute("data-theme", "dark")
    assert is_dark(tab)
