"""What is a symbol in each language, on a file that holds its hard cases.

Not here: what a record says beyond name, kind and lines (test_extraction.py).
"""

from pathlib import Path

import pytest

from dobby_pipeline.sources.languages import LANGUAGES, grammar, language_of, query
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.sources.records import KINDS, REFERENCE_KINDS, SourceRecord

# The files end in .sample so that neither linters nor Dobby itself take them for code.
SAMPLES = Path(__file__).parent / "samples"

EXPECTED = {
    "shapes.py": [
        ("Shape", "class", 6, 33),
        ("Shape.__init__", "method", 14, 15),
        ("Shape.area", "method", 17, 20),
        ("Shape.area#2", "method", 22, 24),
        ("Shape.unit", "method", 26, 30),
        ("Shape.Corner", "class", 32, 33),
        ("Shape.Corner.turn", "method", 33, 33),
        ("scale", "function", 36, 37),
        ("scale#2", "function", 38, 39),
        ("scale#3", "function", 40, 43),
        ("scale#3.factor", "function", 41, 42),
        ("chosen", "function", 47, 47),
        ("chosen#2", "function", 49, 49),
        ("double", "function", 51, 51),
        ("generic", "function", 54, 55),
    ],
    "app.js": [
        ("add", "function", 8, 10),
        ("noop", "function", 13, 13),
        ("twice", "function", 14, 14),
        ("thrice", "function", 14, 14),
        ("count", "function", 16, 16),
        ("Store", "class", 18, 28),
        ("Store.handle", "method", 21, 21),
        ("Store.create", "method", 22, 22),
        ("Store.size", "method", 23, 23),
        ("Store.size#2", "method", 24, 24),
        ("Store.#hidden", "method", 25, 25),
        ("Store.[Symbol.iterator]", "method", 26, 26),
        ("Store.constructor", "method", 27, 27),
        ("Store.constructor.inner", "function", 27, 27),
        ("api.fetch", "method", 31, 31),
        ("api.send", "method", 32, 32),
        ("api.'quoted-name'", "method", 33, 33),
        ("api.deep", "method", 34, 34),
        ("named", "function", 37, 37),
        ("arrow", "function", 38, 38),
        ("Store.prototype.extra", "method", 39, 39),
        ("Anonymous", "class", 40, 40),
        ("Anonymous.run", "method", 40, 40),
        ("default", "function", 43, 43),
    ],
    "model.ts": [
        ("User", "interface", 2, 5),
        ("Id", "type", 7, 7),
        ("Role", "enum", 9, 9),
        ("Flag", "enum", 11, 11),
        ("parse", "function", 15, 17),
        ("Base", "class", 19, 26),
        ("Base.onClick", "method", 21, 21),
        ("Base.load", "method", 22, 25),
        ("Geometry.Plane.area", "function", 29, 29),
        ("Geometry.Plane.Point", "class", 30, 30),
        ('"plugin".Options', "interface", 34, 34),
        ("identity", "function", 37, 37),
        ("default", "class", 38, 38),
    ],
    "view.tsx": [
        ("Props", "type", 3, 3),
        ("Hello", "function", 6, 9),
        ("Hello.onClick", "function", 7, 7),
        ("Page", "class", 11, 13),
        ("Page.render", "method", 12, 12),
    ],
    "lib.rs": [
        ("Point", "struct", 8, 11),
        ("Unit", "struct", 13, 13),
        ("Meters", "struct", 14, 14),
        ("Shape", "enum", 17, 17),
        ("Bits", "union", 19, 19),
        ("Alias", "type", 21, 21),
        ("Area", "trait", 23, 27),
        ("Area::double", "method", 26, 26),
        ("Point::new", "method", 31, 32),
        ("<Point<T> as fmt::Display>::fmt", "method", 36, 39),
        ("<Point<T> as fmt::Display>::fmt::helper", "function", 37, 37),
        ("<Meters as From<Unit>>::from", "method", 43, 43),
        ("<Meters as From<f64>>::from", "method", 47, 47),
        ("square", "macro", 50, 52),
        ("platform", "function", 54, 55),
        ("platform#2", "function", 56, 57),
        ("tests::Local", "type", 60, 60),
        ("tests::works", "function", 61, 62),
    ],
    "list.go": [
        ("List", "struct", 5, 7),
        ("ID", "type", 11, 11),
        ("Item", "struct", 12, 12),
        ("Alias", "type", 13, 13),
        ("Store", "interface", 16, 18),
        ("List.Push", "method", 23, 26),
        ("Item.String", "method", 28, 28),
        ("Item.Nameless", "method", 30, 30),
        ("New", "function", 32, 32),
        ("handler", "function", 34, 34),
        ("init", "function", 36, 36),
        ("init#2", "function", 37, 37),
    ],
    "Account.java": [
        ("Account", "class", 8, 44),
        ("Account.Account", "method", 13, 13),
        ("Account.Account#2", "method", 15, 15),
        ("Account.compareTo", "method", 17, 18),
        ("Account.Entry", "class", 22, 28),
        ("Account.Entry.post", "method", 23, 27),
        ("Account.Entry.post.run", "method", 25, 25),
        ("Account.State", "enum", 30, 34),
        ("Account.State.OPEN.active", "method", 31, 31),
        ("Account.State.active", "method", 33, 33),
        ("Account.Range", "class", 36, 39),
        ("Account.Range.Range", "method", 37, 37),
        ("Account.Range.width", "method", 38, 38),
        ("Account.Visitor", "interface", 41, 41),
        ("Account.Visitor.done", "method", 41, 41),
        ("Account.Marker", "interface", 43, 43),
    ],
    "buffer.c": [
        ("buffer", "struct", 8, 11),
        ("point", "struct", 13, 15),
        ("color", "enum", 17, 17),
        ("mode", "enum", 18, 18),
        ("word", "union", 19, 19),
        ("buffer_new", "function", 25, 27),
        ("choose", "function", 29, 31),
        ("open_it", "function", 34, 34),
        ("open_it#2", "function", 36, 36),
        ("make_pair", "function", 39, 39),
        ("make_pair.pair", "struct", 39, 39),
    ],
    "engine.cpp": [
        ("game::core::Vec", "class", 6, 18),
        ("game::core::Vec::Vec", "method", 9, 9),
        ("game::core::Vec::operator bool", "method", 11, 11),
        ("game::core::Vec::operator[]", "method", 12, 12),
        ("game::core::Vec::as", "method", 14, 14),
        ("game::core::Vec::Iterator", "struct", 15, 15),
        ("game::core::Mode", "enum", 20, 20),
        ("game::core::max", "function", 22, 23),
        ("hidden", "function", 30, 30),
        ("game::core::Engine::run", "method", 33, 35),
        ("game::core::Engine::run::step", "function", 34, 34),
        ("Engine::name", "method", 37, 37),
        ("Engine::~Engine", "method", 38, 38),
        ("Engine::operator==", "method", 39, 39),
        ("overloaded", "function", 40, 40),
        ("overloaded#2", "function", 41, 41),
        ("Widget", "class", 43, 45),
        ("Widget::paint", "method", 44, 44),
        ("TEST(EngineTest, Runs)", "function", 47, 47),
        ("c_entry", "function", 48, 48),
    ],
    "ledger.rb": [
        ("Money::UnbalancedError", "class", 9, 9),
        ("Money::Ledger", "class", 15, 92),
        ("Money::Ledger::FORMAT", "method", 20, 20),
        ("Money::Ledger::open", "method", 25, 27),
        ("Money::Ledger::cache", "method", 31, 31),
        ("Money::Ledger::empty", "method", 35, 35),
        ("Money::Ledger::initialize", "method", 37, 40),
        ("Money::Ledger::<<", "method", 43, 46),
        ("Money::Ledger::[]", "method", 48, 48),
        ("Money::Ledger::currency=", "method", 50, 52),
        ("Money::Ledger::empty?", "method", 54, 56),
        ("Money::Ledger::each", "method", 62, 66),
        ("Money::Ledger::fast!", "method", 70, 70),
        ("Money::Ledger::fast!#2", "method", 72, 72),
        ("Money::Ledger::total", "method", 76, 79),
        ("Money::Ledger::total::helper", "function", 77, 77),
        ("Money::Ledger::hidden", "method", 81, 87),
        ("Money::Ledger::hidden::nested", "function", 82, 82),
        ("Money::Point", "struct", 95, 98),
        ("Money::Point::distance", "method", 97, 97),
        ("Money::Pair", "struct", 100, 100),
        ("Money::Special", "class", 101, 103),
        ("Money::Special::kind", "method", 102, 102),
        ("Money::Helpers", "class", 108, 118),
        ("Money::Helpers::round", "method", 114, 116),
        ("Money::Helpers::CONFIG::reload", "method", 117, 117),
        ("Money", "class", 120, 121),
        ("::TopLevel", "class", 123, 125),
        ("::TopLevel::logger::warn", "method", 124, 124),
        ("main", "function", 128, 134),
    ],
    "Invoice.php": [
        ("Shop\\Billing::Invoice", "class", 14, 66),
        ("Shop\\Billing::Invoice::__construct", "method", 30, 34),
        ("Shop\\Billing::Invoice::total", "method", 39, 48),
        ("Shop\\Billing::Invoice::total::$half", "function", 44, 46),
        ("Shop\\Billing::Invoice::last", "method", 51, 51),
        ("Shop\\Billing::Invoice::visitor", "method", 55, 60),
        ("Shop\\Billing::Invoice::visitor::visit", "method", 58, 58),
        ("Shop\\Billing::Invoice::list", "method", 62, 65),
        ("Shop\\Billing::HasTotal", "interface", 69, 72),
        ("Shop\\Billing::Loggable", "trait", 74, 78),
        ("Shop\\Billing::Loggable::log", "method", 77, 77),
        ("Shop\\Billing::Status", "enum", 81, 88),
        ("Shop\\Billing::Status::fromLabel", "method", 87, 87),
        ("with_tax", "function", 95, 98),
        ("str_starts", "function", 102, 105),
        ("str_starts::inner_helper", "function", 103, 103),
        ("str_starts#2", "function", 107, 107),
        ("$double", "function", 111, 111),
        ("Shape", "class", 113, 113),
        ("Shape::name", "method", 113, 113),
        ("after_markup", "function", 117, 119),
    ],
    "deploy.sh": [
        ("log", "function", 14, 16),
        ("cleanup", "function", 23, 25),
        ("usage", "function", 28, 33),
        ("build", "function", 36, 39),
        ("deploy::one-host", "function", 42, 47),
        ("deploy::one-host/retry", "function", 45, 45),
        ("_is_linux", "function", 49, 49),
        ("check_all", "function", 51, 60),
        ("with_redirect", "function", 62, 64),
        ("open_url", "function", 68, 68),
        ("open_url#2", "function", 70, 70),
        ("main", "function", 73, 83),
        ("log#2", "function", 85, 85),
        ("one.two", "function", 86, 86),
    ],
    "Stream.kt": [
        ("Stream", "class", 12, 59),
        ("Stream.left", "method", 15, 16),
        ("Stream.limit", "method", 18, 20),
        ("Stream.constructor", "method", 31, 33),
        ("Stream.constructor#2", "method", 35, 35),
        ("Stream.close", "method", 38, 38),
        ("Stream.read", "method", 41, 46),
        ("Stream.read.once", "function", 43, 43),
        ("Stream.read.many", "function", 44, 44),
        ("Stream.read#2", "method", 48, 48),
        ("Stream.Cursor", "class", 50, 52),
        ("Stream.Cursor.plus", "method", 51, 51),
        ("Stream.Companion", "class", 55, 58),
        ("Stream.Companion.of", "method", 56, 57),
        ("Named", "class", 61, 65),
        ("Named.Factory", "class", 62, 64),
        ("Named.Factory.make", "method", 63, 63),
        ("Point", "class", 68, 68),
        ("Registry", "class", 70, 72),
        ("Registry.register", "method", 71, 71),
        ("State", "interface", 74, 79),
        ("State.shown", "method", 76, 76),
        ("State.Idle", "class", 78, 78),
        ("Visitor", "interface", 81, 83),
        ("Level", "enum", 85, 92),
        ("Level.LOW.next", "method", 87, 87),
        ("Level.next", "method", 91, 91),
        ("Marker", "class", 94, 94),
        ("Handler", "type", 96, 96),
        ("String.orDash", "method", 98, 98),
        ("List.second", "method", 100, 100),
        ("Source.drain", "method", 102, 104),
        ("(() -> Unit).twice", "method", 106, 106),
        ("String.half", "method", 108, 109),
        ("List.middle", "method", 111, 111),
        ("double", "function", 113, 113),
        ("listener.visit", "method", 116, 116),
        ("`with spaces`", "function", 119, 119),
    ],
    "Ledger.cs": [
        ("Bank.Core.Ledger", "class", 7, 76),
        ("Bank.Core.Ledger.Ledger", "method", 16, 16),
        ("Bank.Core.Ledger.Ledger#2", "method", 18, 18),
        ("Bank.Core.Ledger.Ledger#3", "method", 20, 20),
        ("Bank.Core.Ledger.Finalize", "method", 22, 22),
        ("Bank.Core.Ledger.First", "method", 27, 31),
        ("Bank.Core.Ledger.Size", "method", 33, 33),
        ("Bank.Core.Ledger.this", "method", 35, 35),
        ("Bank.Core.Ledger.this#2", "method", 37, 37),
        ("Bank.Core.Ledger.Changed", "method", 39, 39),
        ("Bank.Core.Ledger.+", "method", 43, 43),
        ("Bank.Core.Ledger.==", "method", 45, 45),
        ("Bank.Core.Ledger.int", "method", 47, 47),
        ("Bank.Core.Ledger.Find", "method", 50, 60),
        ("Bank.Core.Ledger.Find.Same", "function", 53, 53),
        ("Bank.Core.Ledger.Find.Next", "function", 54, 57),
        ("Bank.Core.Ledger.Find#2", "method", 62, 62),
        ("Bank.Core.Ledger.IEnumerable.GetEnumerator", "method", 64, 64),
        ("Bank.Core.Ledger.ICount.Total", "method", 66, 66),
        ("Bank.Core.Ledger.Entry", "class", 73, 73),
        ("Bank.Core.Ledger.Entry.Post", "method", 73, 73),
        ("Bank.Core.Ledger.Posted", "type", 75, 75),
        ("Bank.Core.ICount", "interface", 79, 84),
        ("Bank.Core.ICount.Twice", "method", 82, 82),
        ("Bank.Core.Money", "struct", 86, 86),
        ("Bank.Core.Money.Rounded", "method", 86, 86),
        ("Bank.Core.Mode", "enum", 88, 89),
        ("Bank.Core.Person", "class", 91, 91),
        ("Bank.Core.Pair", "struct", 93, 96),
        ("Bank.Core.Pair.Sum", "method", 95, 95),
        ("Bank.Core.Inner.Shape", "class", 100, 100),
        ("Bank.Core.Primary", "class", 103, 103),
        ("Extensions", "class", 107, 110),
        ("Extensions.Empty", "method", 109, 109),
        ("Compare", "type", 113, 113),
    ],
    "Player.swift": [
        ("Player", "class", 5, 73),
        ("Player.left", "method", 10, 10),
        ("Player.volume", "method", 12, 15),
        ("Player.onEnd", "method", 23, 25),
        ("Player.init", "method", 28, 28),
        ("Player.init#2", "method", 30, 32),
        ("Player.deinit", "method", 34, 34),
        ("Player.subscript", "method", 36, 38),
        ("Player.subscript#2", "method", 40, 40),
        ("Player.play", "method", 43, 48),
        ("Player.play.begin", "function", 45, 45),
        ("Player.play#2", "method", 50, 50),
        ("Player.make", "method", 52, 52),
        ("Player.==", "method", 54, 54),
        ("Player.Options", "struct", 56, 58),
        ("Player.Options.merged", "method", 57, 57),
        ("Player.State", "enum", 60, 70),
        ("Player.State.name", "method", 64, 69),
        ("Player.Handler", "type", 72, 72),
        ("Playable", "interface", 76, 81),
        ("Player.skip", "method", 85, 85),
        ("Player.isEmpty", "method", 86, 86),
        ("Player.State.next", "method", 90, 90),
        ("Array.total", "method", 94, 94),
        ("Mixer", "class", 97, 99),
        ("Mixer.mix", "method", 98, 98),
        ("Tree", "enum", 101, 101),
        ("+++", "function", 104, 104),
        ("free", "function", 106, 106),
        ("debugOnly", "function", 109, 109),
        ("twice", "function", 112, 112),
        ("answer", "function", 114, 114),
        ("Observe", "macro", 116, 117),
    ],
    "Graph.scala": [
        ("Graph", "class", 10, 46),
        ("Graph.this", "method", 17, 17),
        ("Graph.edge", "method", 20, 24),
        ("Graph.edge.direct", "function", 22, 22),
        ("Graph.edge#2", "method", 26, 26),
        ("Graph.+", "method", 29, 29),
        ("Graph.size_=", "method", 31, 31),
        ("Graph.`two words`", "method", 33, 33),
        ("Graph.Edge", "type", 37, 37),
        ("Graph.twice", "method", 40, 40),
        ("Graph.thrice", "method", 41, 41),
        ("Graph.Cursor", "class", 43, 43),
        ("Graph.Cursor.next", "method", 43, 43),
        ("Graph.proc", "method", 45, 45),
        ("Graph#2", "class", 49, 57),
        ("Graph#2.apply", "method", 50, 52),
        ("Graph#2.apply.abstractly", "function", 51, 51),
        ("Graph#2.Ops", "class", 54, 56),
        ("Graph#2.Ops.shout", "method", 55, 55),
        ("Empty", "class", 59, 59),
        ("Point", "class", 61, 61),
        ("Visitor", "trait", 63, 66),
        ("Visitor.done", "method", 65, 65),
        ("syntax", "class", 68, 70),
        ("syntax.id", "method", 69, 69),
        ("nested.Inside", "class", 73, 73),
        ("Color", "enum", 76, 80),
        ("Color.hex", "method", 79, 79),
        ("walker.visit", "method", 83, 83),
        ("byName", "class", 86, 88),
        ("byName.compare", "method", 87, 87),
        ("Show.show", "method", 91, 91),
        ("String.words", "method", 96, 96),
        ("String.lines2", "method", 97, 97),
        ("List.second", "method", 99, 99),
        ("Id", "type", 101, 101),
        ("Indented", "class", 103, 108),
        ("Indented.add", "method", 105, 107),
        ("run", "function", 110, 111),
    ],
}

# Samples whose docs are checked as well: every symbol that has one.
DOCS = {
    "Stream.kt": {
        "Stream": "Reads bytes.\n\n@param T what is read",
        "Stream.left": "How much is left.",
        "Stream.read": "Reads [count] of them.",
        "Stream.Companion": "The factory.",
        "Point": "Bodiless.",
    },
    "Ledger.cs": {
        "Bank.Core.Ledger": "<summary>Keeps entries.</summary>\n<remarks>Not shared.</remarks>",
        "Bank.Core.Ledger.Ledger": "Opens one.",
        "Bank.Core.Ledger.First": "The first one.",
        "Bank.Core.ICount": "<summary>What can be counted.</summary>",
    },
    "Player.swift": {
        "Player": "Plays tracks.\n- Note: not shared.",
        "Player.left": "How many are left.",
        "Player.init": "Makes one.",
        "Playable": "What can be played.",
    },
    "Graph.scala": {
        "Graph": "A graph.\n\n@tparam N its nodes",
        "Graph.edge": "Whether there is an edge.",
        "Graph#2": "Its companion.",
        "Indented.add": "Adds.",
    },
    "ledger.rb": {
        "Money::UnbalancedError": "Raised when a ledger does not balance.",
        "Money::Ledger": "A book of entries.\n\nIt is append-only.",
        "Money::Ledger::FORMAT": "How an amount is shown.",
        "Money::Ledger::open": "Opens the ledger at a path.",
        "Money::Ledger::empty": "An empty ledger.",
        "Money::Ledger::<<": "Adds an entry.",
        "Money::Ledger::each": "Goes through all entries.\n  Slowly.",
        "Money::Ledger::total": "Of the sum alone.",
        "Money::Point": "Two numbers.",
        "Money::Point::distance": "How far.",
        "Money::Helpers": "Things for any ledger.",
        "Money::Helpers::round": "Rounds.",
        "main": "At the top.",
    },
    "Invoice.php": {
        "Shop\\Billing::Invoice": "What a customer owes.\n\n@template T",
        "Shop\\Billing::Invoice::__construct": "Lines may be added later.",
        "Shop\\Billing::Invoice::total": "The sum of all lines.",
        "Shop\\Billing::HasTotal": "Whatever has a total.",
        "Shop\\Billing::Loggable::log": "Writes it down.",
        "Shop\\Billing::Status": "How far it is.",
        "Shop\\Billing::Status::fromLabel": "For people.",
        "with_tax": "The price with tax.",
        "str_starts": "Where PHP is old.",
        "$double": "Twice as much.",
    },
    "deploy.sh": {
        "log": "Writes a message to standard error.\n$1: the message",
        "cleanup": "Cleans up.\nGlobals:\n  ROOT",
        "build": "In a subshell, so that the folder stays.",
        "deploy::one-host/retry": "Only here.",
        "open_url": "By the kernel.",
    },
}

# The same program in each language: a type with a method where there are types, a function, and
# the function once more. The first symbol comes before anything that has to stay first.
PROGRAMS = {
    "python": (
        "class A:\n    def m(self): 1\ndef f(): 1\ndef f(): 2\n",
        ["A", "A.m", "f", "f#2"],
    ),
    "javascript": (
        "class A { m() { 1 } }\nfunction f() { 1 }\nfunction f() { 2 }\n",
        ["A", "A.m", "f", "f#2"],
    ),
    "typescript": (
        "class A { m(): void { 1 } }\nfunction f() { 1 }\nfunction f() { 2 }\n",
        ["A", "A.m", "f", "f#2"],
    ),
    "tsx": (
        "class A { m() { return <b/> } }\nfunction f() { 1 }\nfunction f() { 2 }\n",
        ["A", "A.m", "f", "f#2"],
    ),
    "rust": (
        "struct A {}\nimpl A { fn m() { 1 } }\nfn f() { 1 }\nfn f() { 2 }\n",
        ["A", "A::m", "f", "f#2"],
    ),
    "go": (
        "type A struct {}\nfunc (a A) m() { g() }\nfunc f() { g() }\nfunc f() { h() }\n",
        ["A", "A.m", "f", "f#2"],
    ),
    "java": (
        "class A { void m() { g(); } void f() { g(); } void f(int x) { h(); } }\n",
        ["A", "A.m", "A.f", "A.f#2"],
    ),
    "kotlin": (
        "class A { fun m() { g() } }\nfun f() { g() }\nfun f(x: Int) { h() }\n",
        ["A", "A.m", "f", "f#2"],
    ),
    "c": (
        "struct a { int x; };\nint f(void) { return 1; }\nint f(void) { return 2; }\n",
        ["a", "f", "f#2"],
    ),
    "cpp": (
        "class A { int m() { return 1; } };\nint f() { return 1; }\nint f(int x) { return 2; }\n",
        ["A", "A::m", "f", "f#2"],
    ),
    "csharp": (
        "class A { void M() { G(); } void F() { G(); } void F(int x) { H(); } }\n",
        ["A", "A.M", "A.F", "A.F#2"],
    ),
    "ruby": (
        "class A\n  def m; 1; end\nend\ndef f; 1; end\ndef f; 2; end\n",
        ["A", "A::m", "f", "f#2"],
    ),
    "php": (
        "class A { function m() { g(); } }\nfunction f() { g(); }\nfunction f() { h(); }\n",
        ["A", "A::m", "f", "f#2"],
    ),
    "swift": (
        "class A { func m() { g() } }\nfunc f() { g() }\nfunc f(x: Int) { h() }\n",
        ["A", "A.m", "f", "f#2"],
    ),
    "scala": (
        "class A { def m() = { 1 } }\ndef f() = { 1 }\ndef f(x: Int) = { 2 }\n",
        ["A", "A.m", "f", "f#2"],
    ),
    "bash": ("f() { g; }\nf() { h; }\n", ["f", "f#2"]),
}
FIRST_LINE = {"php": "<?php\n"}


def read_sample(name: str) -> tuple[SourceRecord, ...]:
    found = content_of(name, (SAMPLES / f"{name}.sample").read_bytes()).records
    assert found
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_gives_exactly_its_symbols(name):
    records = [(r.symbol, r.kind, r.start_line, r.end_line) for r in read_sample(name)]
    assert records == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_code_is_the_text_of_its_lines(name):
    lines = (SAMPLES / f"{name}.sample").read_text().splitlines()
    for record in read_sample(name):
        text = "\n".join(lines[record.start_line - 1 : record.end_line])
        assert record.code in text
        assert record.code.count("\n") == record.end_line - record.start_line


@pytest.mark.parametrize("name", DOCS)
def test_a_doc_comment_belongs_to_the_symbol_under_it_and_other_comments_to_none(name):
    assert {r.symbol: r.docstring for r in read_sample(name) if r.docstring} == DOCS[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_every_language_names_itself_and_uses_known_kinds(name):
    records = read_sample(name)
    language = language_of(name, b"")
    assert language is not None
    assert {record.language for record in records} == {language.name}
    assert {record.kind for record in records} <= KINDS


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_every_capture_of_a_query_is_one_that_is_understood(language):
    others = {"scope", "impl", "name", "declarator", "receiver", "implements", "body"}
    known = KINDS | others | {"keyword", "decoration", "comment", "docstring", *REFERENCE_KINDS}
    compiled = query(language)
    captures = {compiled.capture_name(i) for i in range(compiled.capture_count)}
    assert {name for name in captures if not name.startswith("_")} <= known
    assert grammar(language) is grammar(language)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a/b/module.PY", b"", "python"),
        ("SConstruct", b"", "python"),
        ("types.d.ts", b"", "typescript"),
        ("plain.h", b"struct a { int class_; };\n", "c"),
        ("plain.h", b"#include <x>\n  class A {};\n", "cpp"),
        ("plain.h", b"namespace a {}\n", "cpp"),
        ("bin/tool", b"#!/usr/bin/env python\n", "python"),
        ("bin/tool", b"#!/usr/bin/env -S python3.12 -u\n", "python"),
        ("bin/tool", b"#! /bin/sh\n", "bash"),
        ("bin/tool", b"#!/bin/bash -e\r\n", "bash"),
        ("bin/tool", b"#!/usr/local/bin/ruby", "ruby"),
        ("bin/tool", b"#!/usr/bin/fish\n", None),
        ("bin/tool", b"#!/usr/bin/env pythonic\n", None),
        ("bin/tool", b"#!/usr/bin/env perl # python\n", None),
        ("bin/tool", b"\n#!/bin/sh\n", None),
        ("notes.txt", b"#!/bin/sh\n", None),
        ("completions/tar", b"# for tar  -*- shell-script -*-\n", "bash"),
        ("completions/tar", b"# -*- mode: sh; tab-width: 8 -*-\n", "bash"),
        ("Notes", b"# on shell-script\n", None),
        ("Rakefile", b"", "ruby"),
        ("a.GEMSPEC", b"", "ruby"),
        ("view.phtml", b"", "php"),
        ("py", b"", None),
        ("README.md", b"", None),
    ],
)
def test_a_file_s_language_comes_from_its_name(path, text, expected):
    language = language_of(path, text)
    assert (language.name if language else None) == expected


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_keys_and_content_stay_when_lines_are_added_above(language):
    program, keys = PROGRAMS[language.name]
    first = FIRST_LINE.get(language.name, "")
    path = f"a{language.extensions[0]}"
    before = content_of(path, f"{first}{program}".encode()).records
    after = content_of(path, f"{first}\n\n\n{program}".encode()).records
    assert [r.symbol for r in before] == keys
    assert [(r.symbol, r.kind, r.content_hash, r.start_line) for r in after] == [
        (r.symbol, r.kind, r.content_hash, r.start_line + 3) for r in before
    ]


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("a.sh", "a::b.c() { :; }\n", "a::b.c"),
        ("a.rb", "class A::B; end\n", "B"),
        ("a.php", "<?php namespace A\\B { function c() {} }\n", "c"),
    ],
)
def test_a_symbol_s_own_name_is_cut_at_its_language_s_separator_alone(path, text, name):
    (record,) = content_of(path, text.encode()).records
    assert (record.name, record.kind == "method") == (name, False)
