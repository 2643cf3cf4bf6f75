// The dashboards that Penstock writes, in Grafana's own published types. Grafana leaves a panel's options and custom
// settings open; here they are those of the panel's plug-in, and a query's are named, so that a misspelt field fails.
import type { Dashboard, FieldConfig, Panel } from './node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as BarChart from './node_modules/@grafana/schema/dist/types/raw/composable/barchart/panelcfg/x/types.gen';
import type * as Stat from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as Table from './node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as TimeSeries from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';
import type * as XyChart from './node_modules/@grafana/schema/dist/types/raw/composable/xychart/panelcfg/x/types.gen';

// JSON has texts where TypeScript has enumerations.
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

interface Target {
  refId: string;
  datasource: { type: string; uid: string };
  editorMode: 'code';
  rawQuery: boolean;
  rawSql: string;
  format: 'time_series' | 'table';
}

// Grafana publishes no types for the options of transformations: these are the ones that we use.
type Transformation =
  | { id: 'prepareTimeSeries'; options: { format: 'multi' } }
  | { id: 'groupingToMatrix'; options: { columnField: string; rowField: string; valueField: string; emptyValue: 'null' } };

type PanelOf<Type extends string, Options, Custom> = Omit<Plain<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations'> & {
  type: Type;
  options: Plain<Options>;
  targets: Target[];
  transformations?: Transformation[];
  fieldConfig: { defaults: Omit<Plain<FieldConfig>, 'custom'> & { custom?: Plain<Partial<Custom>> }; overrides: [] };
};

export type PenstockDashboard = Omit<Plain<Dashboard>, 'panels'> & {
  panels: (
    | PanelOf<'timeseries', TimeSeries.Options, TimeSeries.FieldConfig>
    | PanelOf<'barchart', Omit<BarChart.Options, 'text'> & { text?: BarChart.Options['text'] }, BarChart.FieldConfig>
    | PanelOf<'xychart', XyChart.Options, XyChart.FieldConfig>
    | PanelOf<'stat', Stat.Options, {}>
    | PanelOf<'table', Table.Options, Table.FieldConfig>
  )[];
};
