"""Each log line carries an event code that filters and queries can rely on, and docs/metrics.md lists the codes."""

import unittest

import logs

PAGE = (logs.ROOT / "docs" / "metrics.md").read_text()


class Events(unittest.TestCase):
    def test_each_line_has_a_code_in_snake_case(self):
        self.assertGreater(len(logs.LINES), 25)
        for line in logs.LINES:
            with self.subTest(line.file, level=line.level, fields=sorted(line.fields)):
                self.assertIsNotNone(line.code)
                self.assertRegex(line.code, r"^[a-z]+(_[a-z]+)*$")

    def test_the_page_lists_the_codes_with_their_levels_and_fields(self):
        fields = {code: found - {"event"} for code, found in logs.fields_by_code().items()}
        levels = {line.code: line.level for line in logs.LINES}
        self.assertEqual(logs.documented(PAGE), {code: (levels[code], fields[code]) for code in fields})

    def test_lines_of_one_code_have_one_level(self):
        for code in {line.code for line in logs.LINES}:
            with self.subTest(code):
                self.assertEqual(len({line.level for line in logs.LINES if line.code == code}), 1)

    def test_an_error_names_what_went_wrong_and_its_type(self):
        for line in logs.LINES:
            if line.level == "error":
                with self.subTest(line.file, code=line.code):
                    self.assertIn("error_type", line.fields)

    def test_a_line_without_a_code_is_found(self):
        for source, code, fields in [
            ('tracing::info!("started");', None, set()),
            ('info!(fleet = %fleet, "started");', None, {"fleet"}),
            ('warn!(\n    event = "a_b",\n    key = f(a, b),\n    ?why,\n    "x, (y)",\n);', "a_b", {"event", "key", "why"}),
        ]:
            with self.subTest(source):
                [line] = logs.lines_in("x.rs", source)
                self.assertEqual((line.code, line.fields), (code, frozenset(fields)))

    def test_lines_of_tests_are_not_counted(self):
        self.assertEqual(list(logs.lines_in("x.rs", '#[cfg(test)]\nmod tests {\n    info!("x");\n}\n')), [])


if __name__ == "__main__":
    unittest.main()
