/** Small faults for a piece of JavaScript: each is one change that a test should notice. */
import ts from 'typescript'

/** Replaces the text from `start` to `end` with `text`. */
export interface Mutation {
  start: number
  end: number
  text: string
}

type Change = [place: ts.Node, text: string]

const Kind = ts.SyntaxKind

const otherOperators = new Map<ts.SyntaxKind, string>([
  [Kind.LessThanToken, '<='],
  [Kind.LessThanEqualsToken, '<'],
  [Kind.GreaterThanToken, '>='],
  [Kind.GreaterThanEqualsToken, '>'],
  [Kind.EqualsEqualsEqualsToken, '!=='],
  [Kind.ExclamationEqualsEqualsToken, '==='],
  [Kind.PlusToken, '-'],
  [Kind.MinusToken, '+'],
  [Kind.AsteriskToken, '/'],
  [Kind.SlashToken, '*'],
  [Kind.PercentToken, '*'],
  [Kind.QuestionQuestionEqualsToken, '='],
])
const equalities = [Kind.EqualsEqualsEqualsToken, Kind.ExclamationEqualsEqualsToken]
const logical = [Kind.AmpersandAmpersandToken, Kind.BarBarToken, Kind.QuestionQuestionToken]

const otherMethods = new Map(Object.entries({ some: 'every', every: 'some', min: 'max', max: 'min' }))

/** Every mutation of `code`, in its order. A mutation that another one makes superfluous is left out. */
export function mutationsOf(code: string): Mutation[] {
  const source = ts.createSourceFile('any.js', code, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS)
  const mutations: Mutation[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return
    for (const [place, text] of changesOf(node)) {
      mutations.push({ start: place.getStart(source), end: place.end, text })
    }
    if (!isConstant(node)) ts.forEachChild(node, visit)
  }
  ts.forEachChild(source, visit)
  return mutations.sort((one, other) => one.start - other.start)
}

function* changesOf(node: ts.Node): Generator<Change> {
  yield* statementChanges(node)
  yield* conditionChanges(node)
  yield* literalChanges(node)
  if (ts.isBinaryExpression(node)) yield* binaryChanges(node)
  if (ts.isPrefixUnaryExpression(node) && !isTested(node)) {
    if ([Kind.ExclamationToken, Kind.MinusToken].includes(node.operator)) yield [node, node.operand.getText()]
  }
  if ('questionDotToken' in node && node.questionDotToken) {
    yield [node.questionDotToken as ts.Node, ts.isPropertyAccessExpression(node) ? '.' : '']
  }
  if (ts.isPropertyAccessExpression(node)) {
    const other = otherMethods.get(node.name.text)
    if (other !== undefined) yield [node.name, other]
  }
}

function* statementChanges(node: ts.Node): Generator<Change> {
  if (ts.isExpressionStatement(node) || ts.isThrowStatement(node) || ts.isBreakOrContinueStatement(node)) {
    if (!isOnlyBodyOfIf(node) && !isNeeded(node)) yield [node, ';']
  } else if (ts.isReturnStatement(node) && !node.expression) {
    if (!isOnlyBodyOfIf(node)) yield [node, ';']
  } else if (ts.isBlock(node)) {
    if (isEmptied(node)) yield [node, '{}']
  } else if (ts.isArrowFunction(node) && (ts.isCallExpression(node.body) || ts.isAwaitExpression(node.body))) {
    yield [node.body, 'undefined']
  }
}

/** Without an `else`, a condition that is never true does the same as an empty body. */
function isOnlyBodyOfIf(node: ts.Statement): boolean {
  const { parent } = node
  const body = ts.isBlock(parent) && parent.statements.length === 1 ? parent : node
  return ts.isIfStatement(body.parent) && !body.parent.elseStatement
}

/** A module cannot do without the call of `super`, and nothing changes without the last `break`. */
function isNeeded(node: ts.Statement): boolean {
  if (ts.isExpressionStatement(node)) return /^super\(|^'use /.test(node.getText())
  const { parent } = node
  return ts.isCaseOrDefaultClause(parent) && ts.isBreakStatement(node) && parent === parent.parent.clauses.at(-1)
}

function isEmptied({ parent, statements }: ts.Block): boolean {
  if (/\bsuper\(/.test(statements[0]?.getText() ?? '')) return false
  const [only] = statements
  const isValue = statements.length === 1 && only !== undefined && ts.isReturnStatement(only)
  if (ts.isFunctionLike(parent)) return statements.length > 1 || isValue
  const isElse = ts.isIfStatement(parent) && parent.elseStatement?.pos === statements.pos - 1
  return statements.length > 1 && (isElse || ts.isCatchClause(parent) || ts.isTryStatement(parent))
}

function conditionOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isIfStatement(node) || ts.isIterationStatement(node, false)) {
    return 'expression' in node ? (node.expression as ts.Expression) : undefined
  }
  return ts.isConditionalExpression(node) ? node.condition : undefined
}

/** Does `node` decide a condition, alone or with others? What its operator changes, a constant shows as well. */
function isTested(node: ts.Node): boolean {
  const { parent } = node
  const isPart =
    ts.isParenthesizedExpression(parent) ||
    (ts.isPrefixUnaryExpression(parent) && parent.operator === Kind.ExclamationToken) ||
    (ts.isBinaryExpression(parent) && logical.includes(parent.operatorToken.kind))
  if (isPart) return isTested(parent)
  return conditionOf(parent) === node || (ts.isForStatement(parent) && parent.condition === node)
}

function* conditionChanges(node: ts.Node): Generator<Change> {
  if (ts.isForStatement(node) && node.condition) yield [node.condition, 'false']
  if (ts.isWhileStatement(node) || ts.isDoStatement(node)) yield [node.expression, 'false']
  if (!ts.isIfStatement(node) && !ts.isConditionalExpression(node)) return
  const condition = conditionOf(node) as ts.Expression
  const operator = ts.isBinaryExpression(condition) ? condition.operatorToken.kind : undefined
  // Taking an operand out shows as much.
  if (operator !== Kind.AmpersandAmpersandToken) yield [condition, 'true']
  if (operator !== Kind.BarBarToken) yield [condition, 'false']
}

function* binaryChanges(node: ts.BinaryExpression): Generator<Change> {
  const { left, operatorToken, right } = node
  if (logical.includes(operatorToken.kind)) {
    yield [node, left.getText()]
    yield [node, right.getText()]
  }
  const other = otherOperators.get(operatorToken.kind)
  if (other === undefined || isConstant(node)) return
  if (equalities.includes(operatorToken.kind) && isTested(node)) return
  if (operatorToken.kind === Kind.PlusToken && [left, right].some(isText)) return
  yield [operatorToken, other]
}

function isText(node: ts.Node): boolean {
  if (ts.isBinaryExpression(node)) return isText(node.left) || isText(node.right)
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)
}

/** A number, or one that is written as a calculation, such as `64 * 1024`. */
function isConstant(node: ts.Node): boolean {
  if (ts.isBinaryExpression(node)) return isConstant(node.left) && isConstant(node.right)
  return ts.isNumericLiteral(node)
}

function isLiteral(node: ts.Node): boolean {
  return ts.isLiteralExpression(node) || node.kind === Kind.TrueKeyword || node.kind === Kind.FalseKeyword
}

function* literalChanges(node: ts.Node): Generator<Change> {
  // Another signal than 0 would end the process that is only asked about, which may be this one.
  if (ts.isCallExpression(node.parent) && /\bkill$/.test(node.parent.expression.getText())) return
  const isInTable = ts.isArrayLiteralExpression(node.parent) && node.parent.elements.every(isLiteral)
  const isKey = 'name' in node.parent && (node.parent as ts.NamedDeclaration).name === node
  const text = node.getText()
  // Without the assignment what was there before stays: that shows as much as another constant.
  const isAssigned = ts.isBinaryExpression(node.parent) && ts.isExpressionStatement(node.parent.parent)
  if (isKey || (isAssigned && !isConstant(node))) return
  if (node.kind === Kind.TrueKeyword) yield [node, 'false']
  else if (node.kind === Kind.FalseKeyword) yield [node, 'true']
  else if (isConstant(node) && !(ts.isBinaryExpression(node.parent) && isConstant(node.parent))) {
    yield [node, `(${text} + 1)`]
    if (text !== '0') yield [node, `(${text} - 1)`]
  } else if (ts.isRegularExpressionLiteral(node)) yield* patternChanges(node)
  else if (ts.isArrayLiteralExpression(node)) yield* arrayChanges(node)
  else if (isText(node) && !ts.isBinaryExpression(node)) {
    // What has a space in it is for a person to read.
    if (!text.includes(' ') && !isInTable) yield [node, text.length === 2 ? "'x'" : "''"]
  }
}

function* patternChanges(node: ts.RegularExpressionLiteral): Generator<Change> {
  const { text } = node
  if (text.startsWith('/^')) yield [node, `/${text.slice(2)}`]
  if (/[^\\]\$\/\w*$/.test(text)) yield [node, text.replace(/\$(?=\/\w*$)/, '')]
  if (/\/\w*i\w*$/.test(text)) yield [node, text.replace(/i(?=\w*$)/, '')]
}

function* arrayChanges(node: ts.ArrayLiteralExpression): Generator<Change> {
  const { elements, parent } = node
  const isTarget =
    ts.isBinaryExpression(parent) && parent.left === node && parent.operatorToken.kind === Kind.EqualsToken
  if (isTarget || elements.length === 0 || ts.isForOfStatement(parent)) return
  if (elements.length === 1 || !elements.every(isLiteral)) return yield [node, '[]']
  for (const one of elements) {
    const rest = elements.filter((other) => other !== one).map((other) => other.getText())
    yield [node, `[${rest.join(', ')}]`]
  }
}
