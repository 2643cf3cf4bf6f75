-- The four tables of Work J, as the contenders that do not make their own tables find them.
drop schema if exists {schema} cascade;
create schema {schema};
create table {schema}.branches (branch_id integer primary key, name text not null unique);
create table {schema}.products (
    product_id integer primary key, size text not null, name text not null, unique (size, name));
create table {schema}.orders (
    order_id bigint, ordered_at timestamp not null, branch_id integer not null, total numeric(10, 2) not null,
    payment text not null, card text, constraint orders_key primary key (order_id));
create table {schema}.order_items (
    order_id bigint, line_no smallint, product_id integer not null, price numeric(8, 2) not null,
    constraint order_items_key primary key (order_id, line_no));
