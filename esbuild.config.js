/**
 * What `tsc` leaves to do. It bundles each of the two commands into one file: a process that sends a small file spends
 * most of its time loading modules, and one minified file loads much faster than forty; as CommonJS faster still, because
 * Node need not link it (bench/README.md). The library is used unbundled. And it writes the manual pages.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { build } from 'esbuild'
import mime from 'mime-types'

/**
 * The help of yargs is laid out with `string-width`, which loads the Unicode segmentation tables: a fifth of the time
 * that `--help` takes. Our help is ASCII (a test says so), where the width of a text is its length.
 */
const asciiHelp = {
  name: 'ascii-help',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^string-width$/ }, ({ path, importer, namespace }) => {
      if (namespace === 'ascii') return { path, external: true }
      return { path: importer.includes('node_modules') ? path : 'whole', namespace: 'ascii' }
    })
    // An import would become a `require` whose result is taken for CommonJS, but this package is none.
    const whole = "export default require('string-width').default"
    onLoad({ filter: /^whole$/, namespace: 'ascii' }, () => ({ contents: whole }))
    onLoad({ filter: /.*/, namespace: 'ascii' }, () => ({ contents: 'export default (text) => text.length' }))
  },
}

/**
 * `mime-types` builds its table from a database of all media types at every start, which takes 8 ms. Here the table is
 * what it built at this build, and the look-up is the same.
 */
const builtMimeTypes = {
  name: 'built-mime-types',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^mime-types$/ }, ({ path }) => ({ path, namespace: 'mime' }))
    onLoad({ filter: /.*/, namespace: 'mime' }, () => ({
      resolveDir: '.',
      contents: `import { extname } from 'node:path'
        const types = new Map(JSON.parse(${JSON.stringify(JSON.stringify(Object.entries(mime.types)))}))
        export default { lookup: (name) => types.get(extname('x.' + name).toLowerCase().slice(1)) ?? false }`,
    }))
  },
}

rmSync('dist/bundle', { recursive: true, force: true })
await build({
  entryPoints: ['dist/cli/send-command.js', 'dist/cli/receive-command.js'],
  outdir: 'dist/bundle',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  minify: true,
  platform: 'node',
  format: 'cjs',
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href" },
  define: { 'import.meta.url': 'importMetaUrl' },
  target: 'node20.20',
  external: ['cli-progress'],
  plugins: [asciiHelp, builtMimeTypes],
})

// The same face for the modules as they are, which the tests measure the coverage of.
mkdirSync('dist/unbundled', { recursive: true })
for (const name of ['send', 'receive']) {
  const lines = `exports.${name}Command = async (args) => (await import('../cli/${name}-command.js')).${name}Command(args)`
  writeFileSync(`dist/unbundled/${name}-command.cjs`, `${lines}\n`)
}

// After the build, what is made from it: the manual pages.
const { manualPage } = await import('./dist/cli/manual.js')
const { sendCommandLine } = await import('./dist/cli/send-command.js')
const { receiveCommandLine } = await import('./dist/cli/receive-command.js')
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
mkdirSync('dist/man', { recursive: true })
for (const line of [sendCommandLine, receiveCommandLine]) {
  writeFileSync(`dist/man/${line.command}.1`, manualPage(line, version))
}
