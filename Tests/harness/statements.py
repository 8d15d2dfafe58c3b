"""Whether a statement says, at every table of a user that it looks at, whose rows it means: decision 0038.

Statements are read by PostgreSQL's own parser (pglast), those in the bodies of functions too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pglast import ast, parse_plpgsql, parse_sql
from pglast.parser import ParseError

# A list of a type that the rules make.
OWN_ARRAY = re.compile(r"\b(?!uuid|text|bigint|integer|json|bytea|boolean|timestamptz)\w+\[\]")


@dataclass(frozen=True)
class Statement:
    """`where`: a function or view by name, or the beginning of what the server prepared."""

    where: str
    text: str


def written(sql: str) -> Iterator[Statement]:
    """The statements of the views and functions that a file makes."""
    for raw in parse_sql(sql):
        made = raw.stmt
        if isinstance(made, ast.ViewStmt):
            yield Statement(made.view.relname, sql[raw.stmt_location:raw.stmt_location + raw.stmt_len])
        elif isinstance(made, ast.CreateFunctionStmt):
            name = made.funcname[-1].sval
            options = {option.defname: option.arg for option in made.options}
            if options["language"].sval == "sql":
                yield Statement(name, options["as"][0].sval)
            else:
                # Its parser knows no type of the database; and the cases of `mutate` are written when the rules are loaded.
                text = OWN_ARRAY.sub("text[]", sql[raw.stmt_location:raw.stmt_location + raw.stmt_len])
                body = parse_plpgsql(text.replace("-- <a case for each mutation>", "WHEN '' THEN NULL;"))
                yield from (Statement(name, text) for text in _queries(json.loads(json.dumps(body))))


def executed(log: str) -> set[Statement]:
    """What a PostgreSQL with `log_statement = all` wrote that it carried out for the server's connections."""
    found = re.findall(r"LOG:  execute [^:]+: (.*?)(?=\n\S|\Z)", log, re.DOTALL)
    return {Statement(" ".join(text.split())[:60], text) for text in found}


def unnamed(statement: Statement, tables: dict[str, str]) -> list[str]:
    """The tables, of those by their column that says the user, at which the statement does not say whose rows."""
    whole = list(_walk(_parsed(statement.text)))
    own = {node.ctename for node in whole if isinstance(node, ast.CommonTableExpr)}
    tables = {table: column for table, column in tables.items() if table not in own}
    views = [arm for node in whole if isinstance(node, ast.ViewStmt) for arm in _arms(node.query)]
    return [table for node in whole for table in _unnamed(node, tables, node in views)]


def _queries(body: object) -> Iterator[str]:
    if isinstance(body, dict):
        for key, value in body.items():
            if key == "query" and isinstance(value, str):
                yield value
            else:
                yield from _queries(value)
    elif isinstance(body, list):
        for value in body:
            yield from _queries(value)


def _parsed(text: str) -> object:
    assigned = re.match(r"\s*[\w.\[\] ]+?\s*:?=\s*(.*)", text, re.DOTALL)
    for attempt in (text, f"SELECT {text}", f"SELECT {assigned[1]}" if assigned else ""):
        try:
            return parse_sql(attempt)
        except ParseError:
            pass
    raise ValueError(f"not read: {text}")


def _walk(node: object) -> Iterator[ast.Node]:
    if isinstance(node, (list, tuple)):
        for one in node:
            yield from _walk(one)
    elif isinstance(node, ast.Node):
        yield node
        for name in node:
            yield from _walk(getattr(node, name))


def _columns(node: object) -> Iterator[tuple[str | None, str]]:
    """Every column that is named, with what stands in front of it."""
    for one in _walk(node):
        if isinstance(one, ast.ColumnRef):
            parts = [part.sval for part in one.fields if isinstance(part, ast.String)]
            if parts:
                yield (parts[-2] if len(parts) > 1 else None), parts[-1]


def _sources(node: object) -> Iterator[ast.RangeVar | ast.JoinExpr]:
    """The tables and joins of one FROM, not those of statements within it."""
    if isinstance(node, (list, tuple)):
        for one in node:
            yield from _sources(one)
    elif isinstance(node, ast.RangeVar):
        yield node
    elif isinstance(node, ast.JoinExpr):
        yield node
        yield from _sources((node.larg, node.rarg))


def _arms(query: ast.SelectStmt) -> Iterator[ast.SelectStmt]:
    if query.larg is None:
        yield query
    else:
        yield from _arms(query.larg)
        yield from _arms(query.rarg)


def _unnamed(node: ast.Node, tables: dict[str, str], is_view: bool) -> Iterator[str]:
    if isinstance(node, ast.InsertStmt):
        table = node.relation.relname
        if table in tables and node.cols and tables[table] not in {column.name for column in node.cols}:
            yield table
        return
    named: set[tuple[str | None, str]]
    if isinstance(node, ast.SelectStmt):
        sources: Iterable[object] = node.fromClause or ()
        # Who reads a view says whose rows, by the column that it shows.
        named = set(_columns(node.targetList)) if is_view else set()
    elif isinstance(node, (ast.UpdateStmt, ast.DeleteStmt)):
        more = node.fromClause if isinstance(node, ast.UpdateStmt) else node.usingClause
        sources, named = [node.relation, *(more or ())], set()
    else:
        return
    parts = list(_sources(sources))
    joins = [part for part in parts if isinstance(part, ast.JoinExpr)]
    named |= set(_columns([node.whereClause, *(join.quals for join in joins)]))
    shared = {name.sval for join in joins for name in join.usingClause or ()}
    theirs = {(part.alias.aliasname if part.alias else part.relname): part.relname
              for part in parts if isinstance(part, ast.RangeVar) and part.relname in tables}
    for alias, table in theirs.items():
        column = tables[table]
        alone = len(theirs) == 1 and (None, column) in named
        if not ((alias, column) in named or column in shared or alone):
            yield table
