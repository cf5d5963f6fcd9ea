import { spawnSync } from 'node:child_process'
import t from 'tap'
import { chatCommandLine } from '../../dist/cli/chat-command-line.js'
import { manualPage } from '../../dist/cli/manual.js'
import { receiveCommandLine } from '../../dist/cli/receive-command-line.js'
import { sendCommandLine } from '../../dist/cli/send-command-line.js'

const lines = [sendCommandLine, receiveCommandLine, chatCommandLine]

/** The page as a person reads it, without bold and underlined letters, and what groff complains of. */
function formatted(page: string): { text: string; warnings: string } {
  const args = ['-man', '-Tascii', '-ww', '-P-cbou', '-rLL=78n']
  const { stdout, stderr } = spawnSync('groff', args, { input: page, encoding: 'utf8' })
  return { text: stdout, warnings: stderr }
}

const skip = spawnSync('groff', ['--version']).error ? 'groff is not installed' : false

t.test('says in every section what the command line says', async (t) => {
  for (const line of lines) {
    const page = manualPage(line, '1.2.3')
    t.match(page, `.TH ${line.command.toUpperCase()} 1 "" "tcp-send-recv 1.2.3"`)
    for (const section of ['NAME', 'SYNOPSIS', 'OPTIONS', 'EXIT STATUS', 'EXAMPLES', 'SEE ALSO']) {
      t.match(page, `\n.SH ${section}\n`)
    }
    for (const [name, { short, value }] of Object.entries(line.options)) {
      const minus = name.replaceAll('-', '\\-')
      t.match(page, `\n.B ${short ? `\\-${short}, ` : ''}\\-\\-${minus}${value ? ` \\fI${value}\\fR` : ''}\n`, name)
    }
    t.match(page, /\(default: (?:auto|30)\)\./)
    t.notMatch(page, /undefined|Exit status:/)
  }
})

t.test('protects what roff would read as its own', async (t) => {
  const describe = `.hidden 'quoted' back\\slash --dash`
  const line = { ...sendCommandLine, options: { odd: { describe } }, purpose: 'try', examples: [] }
  const page = manualPage(line, '1')
  t.match(page, `\n\\&.hidden 'quoted' back\\eslash \\-\\-dash.\n`)
})

t.test('reads well', { skip }, async (t) => {
  for (const line of lines) {
    const { text, warnings } = formatted(manualPage(line, '1.2.3'))
    t.equal(warnings, '')
    const words = text.replace(/-\n\s+/g, '').replace(/\s+/g, ' ')
    for (const [name, { describe }] of Object.entries(line.options)) {
      t.ok(words.includes(`--${name}`), name)
      t.ok(words.replace(/[-\s]/g, '').includes(describe.replace(/[-\s]/g, '')), describe)
    }
    for (const [example] of line.examples) t.ok(words.includes(example), example)
  }
})
