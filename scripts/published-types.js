/**
 * The types that users get: `dist/types.d.ts`, one file without the names of this package's own modules. It is made of
 * what `tsc` has written. An interface has all that it extends inside the package.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../dist/', import.meta.url)).replaceAll('\\', '/')

/** Returns everything that the package exports, each with its text. */
export function publishedTypes() {
  const program = ts.createProgram([`${root}index.d.ts`], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    types: ['node'],
  })
  const checker = program.getTypeChecker()
  const index = program.getSourceFile(`${root}index.d.ts`)
  const resolved = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol)
  return checker
    .getExportsOfModule(checker.getSymbolAtLocation(index))
    .map((symbol) => ({ name: symbol.name, declaration: resolved(symbol).declarations[0] }))
    .map(({ name, declaration }) => ({ name, ...published(checker, declaration) }))
}

/** Returns the text of a declaration, and of an interface its properties. */
function published(checker, declaration) {
  const doc = docOf(declaration)
  if (ts.isInterfaceDeclaration(declaration)) {
    const { foreign, members } = membersOf(checker, declaration)
    const bases = foreign.length > 0 ? ` extends ${foreign.join(', ')}` : ''
    const text = `${doc}export interface ${declaration.name.text}${bases} {\n${members.map(textOf).join('\n')}\n}`
    return { text, members: members.map(memberFacts) }
  }
  if (ts.isTypeAliasDeclaration(declaration) && /\(typeof /.test(declaration.type.getText())) {
    // The choices of an option: a list for its check in the code, and a union of its words here.
    const type = checker.getTypeAtLocation(declaration.type)
    const union = checker.typeToString(
      type,
      undefined,
      ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.InTypeAlias,
    )
    return { text: `${doc}export type ${declaration.name.text} = ${union}` }
  }
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  const own = statement.getText().replace(/^export (declare )?/, '')
  const word =
    ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement) ? 'export' : 'export declare'
  return { text: `${docOf(statement)}${word} ${own}`, doc: plainDoc(statement) }
}

function memberFacts(member) {
  const signature = ts.isMethodSignature(member) ? `() => ${member.type.getText()}` : member.type.getText()
  const type = `\`${signature.replace(/ \| undefined$/, '').replaceAll('|', '\\|')}\``
  return { name: member.name.getText(), type, isOptional: member.questionToken !== undefined, doc: plainDoc(member) }
}

/** The members of an interface and of what it extends in this package, and what else it extends. */
function membersOf(checker, declaration) {
  const foreign = []
  const members = new Map()
  for (const base of (declaration.heritageClauses ?? []).flatMap(({ types }) => types)) {
    const inherited = checker
      .getTypeAtLocation(base)
      .getProperties()
      .map(({ declarations }) => declarations[0])
    if (!inherited.every((member) => member.getSourceFile().fileName.startsWith(root))) foreign.push(base.getText())
    else for (const member of inherited) members.set(member.name.getText(), member)
  }
  for (const member of declaration.members) members.set(member.name.getText(), member)
  return { foreign, members: [...members.values()] }
}

function docOf(node) {
  const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc)
  return docs.length > 0 ? `${docs.at(-1).getText()}\n` : ''
}

function textOf(member) {
  return `  ${docOf(member)}${member.getText()}`
}

/** The comment of a node as one line. */
function plainDoc(node) {
  const text = docOf(node).replace(/^\/\*\*|\*\/\s*$/g, '')
  return text
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join(' ')
    .replace(/\s+/g, ' ')
    .trim()
}

/** The whole file. */
export function typesFile() {
  const header = "import type { Readable, Writable } from 'node:stream'\n"
  return `${header}\n${publishedTypes()
    .map(({ text }) => text)
    .join('\n\n')}\n`
}

/* c8 ignore next: only where this is the program, and not in a test */
if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(`${root}types.d.ts`, typesFile())
